package gateway

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.uber.org/zap/buffer"
	"go.uber.org/zap/zapcore"
)

// sampleTick is the second of sampleFirst.
const sampleTick = time.Second

var consoleBuffers = buffer.NewPool()

// console writes log lines for people:
//
//	2030-01-02T12:00:00.000Z WARN  azure: the keys differ (authentication_failed) remote=203.0.113.5:4500
//	    ours: identity hq.example.com
//	    peer: identity 203.0.113.5
//	    hint: compare the keys
//
// What the text says already is not repeated behind it.
type console struct {
	*zapcore.MapObjectEncoder // the fields of With
}

func newConsole() zapcore.Encoder { return console{zapcore.NewMapObjectEncoder()} }

// Clone implements zapcore.Encoder.
func (c console) Clone() zapcore.Encoder {
	to := zapcore.NewMapObjectEncoder()
	maps.Copy(to.Fields, c.Fields)
	return console{to}
}

// EncodeEntry implements zapcore.Encoder.
func (c console) EncodeEntry(e zapcore.Entry, fields []zapcore.Field) (*buffer.Buffer, error) {
	all := zapcore.NewMapObjectEncoder()
	maps.Copy(all.Fields, c.Fields)
	for _, f := range fields {
		f.AddTo(all)
	}
	texts := map[string]string{}
	for name, value := range all.Fields {
		texts[name] = fmt.Sprint(value)
		if _, ok := value.([]any); ok { // of words, such as addresses
			texts[name] = strings.ReplaceAll(strings.Trim(texts[name], "[]"), " ", ",")
		}
	}
	line := consoleBuffers.Get()
	line.AppendTime(e.Time.UTC(), "2006-01-02T15:04:05.000Z07:00")
	fmt.Fprintf(line, " %-5s ", e.Level.CapitalString())
	if name := texts[fieldConnection]; name != "" {
		line.AppendString(name + ": ")
	}
	message, more, _ := strings.Cut(e.Message, "\n")
	line.AppendString(printable(message))
	if reason := texts[fieldReason]; reason != "" {
		line.AppendString(" (" + reason + ")")
	}
	appendFields(line, message, texts)
	indent(line, "", more)
	for _, name := range []string{fieldOurs, fieldPeer, fieldHint} {
		indent(line, name+": ", texts[name])
	}
	line.AppendString("\n")
	return line, nil
}

// appendFields writes name=value for what message does not hold and what has no
// place of its own.
func appendFields(line *buffer.Buffer, message string, texts map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		switch name {
		case fieldConnection, fieldEvent, fieldReason, fieldOurs, fieldPeer, fieldHint:
			continue
		}
		value := texts[name]
		if says(message, value) {
			continue
		}
		if strings.ContainsFunc(value, func(r rune) bool { return unicode.IsSpace(r) || r == '"' || !unicode.IsPrint(r) }) {
			value = strconv.Quote(value)
		}
		line.AppendString(" " + name + "=" + value)
	}
}

// says tells whether a message has a value, and not only its letters within another word.
func says(message, value string) bool {
	inWord := func(i int) bool {
		return i >= 0 && i < len(message) && (message[i] >= '0' && message[i] <= '9' || message[i] >= 'A' && message[i] <= 'Z' || message[i] >= 'a' && message[i] <= 'z')
	}
	for at := 0; ; at++ {
		next := strings.Index(message[at:], value)
		if next < 0 {
			return false
		}
		if at += next; value == "" || !inWord(at-1) && !inWord(at+len(value)) {
			return true
		}
	}
}

// indent writes text below, each of its lines behind name.
func indent(line *buffer.Buffer, name, text string) {
	if text == "" {
		return
	}
	for part := range strings.SplitSeq(text, "\n") {
		line.AppendString("\n    " + name + printable(part))
	}
}

// printable keeps what a peer sent from steering a terminal or faking a line.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, text)
}
