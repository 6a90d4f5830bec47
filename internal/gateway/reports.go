package gateway

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"causeway/ike/sa"
	"causeway/internal/control"
)

// The levels of an event, as zap names them.
const (
	levelDebug = "debug"
	levelInfo  = "info"
	levelWarn  = "warn"
)

// The types of events; docs/troubleshooting.md lists them.
const (
	kindConnecting       = "connecting"
	kindIKEEstablished   = "ike_established"
	kindIKEClosed        = "ike_closed"
	kindChildEstablished = "child_established"
	kindChildClosed      = "child_closed"
	kindFailed           = "failed"
	kindEndpointChanged  = "endpoint_changed"
	kindRedirected       = "redirected"
	kindTicketRefused    = "ticket_refused"
	kindPPKUnused        = "ppk_unused"
	kindPathUp           = "path_up"
	kindPathDown         = "path_down"
	kindPathProbed       = "path_probed"
	kindWentIdle         = "went_idle"
	kindAddressAssigned  = "address_assigned"
	kindMessage          = "message"
	kindMessageDropped   = "message_dropped"
	kindUnknown          = "unknown"
)

// eventOf puts a report into words and fields: the one place that does.
func eventOf(r sa.Report, at time.Time) control.Event {
	ev := describe(r)
	ev.At = at
	return ev
}

func describe(r sa.Report) control.Event {
	switch r := r.(type) {
	case sa.Connecting:
		return connecting(r)
	case sa.IKEEstablished:
		return ikeEstablished(r)
	case sa.IKEClosed:
		return ikeClosed(r)
	case sa.ChildEstablished:
		return childEstablished(r)
	case sa.ChildClosed:
		return childClosed(r)
	case sa.Failed:
		return failed(r)
	case sa.EndpointChanged:
		return endpointChanged(r)
	case sa.RedirectedTo:
		return redirected(r)
	case sa.TicketRefused:
		return event(kindTicketRefused, levelInfo, r.Connection, fmt.Sprintf("the peer does not resume the session: %s; a whole exchange follows", r.Why), "remote", r.Remote.String())
	case sa.PPKUnused:
		return event(kindPPKUnused, levelWarn, r.Connection, fmt.Sprintf("the peer at %v does not use the post-quantum key %q: who records this traffic may read it when he has a quantum computer", r.Remote, r.ID), "remote", r.Remote.String())
	case sa.PathProbed:
		return pathProbed(r)
	case sa.AddressAssigned:
		text := fmt.Sprintf("the peer gave this gateway the address %v", r.Address)
		if r.ToPeer {
			text = fmt.Sprintf("this gateway gave the peer the address %v", r.Address)
		}
		return event(kindAddressAssigned, levelInfo, r.Connection, text, "address", r.Address.String())
	case sa.WentIdle:
		return event(kindWentIdle, levelInfo, r.Connection, fmt.Sprintf("carried nothing for %v, and is taken down", r.After))
	case sa.MessageTrace:
		return trace(r)
	case sa.MessageDropped:
		ev := event(kindMessageDropped, levelDebug, r.Connection,
			fmt.Sprintf("ignored a message from %v: %s", r.Remote, r.Detail), "remote", r.Remote.String())
		ev.Fields["reason"] = string(r.Reason)
		return ev
	}
	return event(kindUnknown, levelWarn, "", fmt.Sprintf("%T", r))
}

// factsOf is what of r can be counted: its event's type, its connection, and
// why it failed, if it did.
func factsOf(r sa.Report) (kind, connection string, failure *sa.Failure) {
	switch r := r.(type) {
	case sa.Connecting:
		return kindConnecting, r.Connection, nil
	case sa.IKEEstablished:
		return kindIKEEstablished, r.Connection, nil
	case sa.IKEClosed:
		return kindIKEClosed, r.Connection, r.Failure
	case sa.ChildEstablished:
		return kindChildEstablished, r.Connection, nil
	case sa.ChildClosed:
		return kindChildClosed, r.Connection, r.Failure
	case sa.Failed:
		return kindFailed, r.Connection, r.Failure
	case sa.EndpointChanged:
		return kindEndpointChanged, r.Connection, nil
	case sa.RedirectedTo:
		return kindRedirected, r.Connection, nil
	case sa.TicketRefused:
		return kindTicketRefused, r.Connection, nil
	case sa.PPKUnused:
		return kindPPKUnused, r.Connection, nil
	case sa.PathProbed:
		return kindPathProbed, r.Connection, nil
	case sa.AddressAssigned:
		return kindAddressAssigned, r.Connection, nil
	case sa.WentIdle:
		return kindWentIdle, r.Connection, nil
	case sa.MessageTrace:
		return kindMessage, r.Connection, nil
	case sa.MessageDropped:
		return kindMessageDropped, r.Connection, nil
	}
	return kindUnknown, "", nil
}

func event(kind, level, connection, message string, fields ...string) control.Event {
	ev := control.Event{Type: kind, Level: level, Connection: connection, Message: message, Fields: map[string]string{}}
	for i := 0; i+1 < len(fields); i += 2 {
		ev.Fields[fields[i]] = fields[i+1]
	}
	return ev
}

func pathProbed(r sa.PathProbed) control.Event {
	what := "arrived"
	if !r.Answered {
		what = "was lost"
	}
	return event(kindPathProbed, levelDebug, r.Connection,
		fmt.Sprintf("a probe of the path with %d bytes %s", r.Size, what), "size", strconv.Itoa(r.Size), "result", what)
}

func connecting(r sa.Connecting) control.Event {
	message := fmt.Sprintf("connecting to %v", r.Remote)
	if !r.Initiator {
		message = fmt.Sprintf("%v connects", r.Remote)
	}
	return event(kindConnecting, levelInfo, r.Connection, message,
		"role", role(r.Initiator), "local", r.Local.String(), "remote", r.Remote.String())
}

func ikeEstablished(r sa.IKEEstablished) control.Event {
	verb := "established"
	if r.Rekeys != 0 {
		verb = "rekeyed"
	}
	if r.IKE.Resumed {
		verb = "resumed"
	}
	ev := event(kindIKEEstablished, levelInfo, r.Connection,
		fmt.Sprintf("IKE SA %s with %s (%s)", verb, r.IKE.RemoteIdentity, r.IKE.Suite),
		"role", role(r.IKE.Initiator), "spi_i", spi64(r.IKE.SPIi), "spi_r", spi64(r.IKE.SPIr),
		"local", r.IKE.Local.String(), "remote", r.IKE.Remote.String(),
		"local_identity", r.IKE.LocalIdentity, "remote_identity", r.IKE.RemoteIdentity,
		"nat", r.IKE.NAT, "suite", r.IKE.Suite)
	if r.IKE.Resumed {
		ev.Fields["resumed"] = "true"
	}
	return ev
}

func ikeClosed(r sa.IKEClosed) control.Event {
	level, message := levelInfo, "IKE SA closed"
	switch {
	case r.Failure != nil:
		level, message = levelWarn, "IKE SA lost: "+r.Failure.Message
	case r.Replaced:
		message = "old IKE SA closed"
	case r.Remote:
		message = "IKE SA closed by the peer"
	}
	ev := event(kindIKEClosed, level, r.Connection, message, "spi_i", spi64(r.SPIi), "spi_r", spi64(r.SPIr))
	ev.Problem = problemOf(r.Failure)
	return ev
}

func childEstablished(r sa.ChildEstablished) control.Event {
	verb := "established"
	if r.Child.Rekeys != 0 {
		verb = "rekeyed"
	}
	how := r.Child.Suite.String()
	if r.Child.Transport != nil {
		how += ", transport mode"
	}
	return event(kindChildEstablished, levelInfo, r.Connection,
		fmt.Sprintf("Child SA %s: %v === %v (%s)", verb, r.Child.LocalSelectors, r.Child.RemoteSelectors, how),
		"child", r.Child.Name, "spi_in", spi32(r.Child.SPIIn), "spi_out", spi32(r.Child.SPIOut),
		"suite", r.Child.Suite.String(), "local", r.Child.Local.String(), "remote", r.Child.Remote.String())
}

func childClosed(r sa.ChildClosed) control.Event {
	level, message := levelInfo, "Child SA closed"
	switch {
	case r.Failure != nil:
		level, message = levelWarn, "Child SA lost: "+r.Failure.Message
	case r.Replaced:
		message = "old Child SA closed"
	case r.Remote:
		message = "Child SA closed by the peer"
	}
	ev := event(kindChildClosed, level, r.Connection, message, "spi_in", spi32(r.SPIIn), "spi_out", spi32(r.SPIOut))
	ev.Problem = problemOf(r.Failure)
	return ev
}

func failed(r sa.Failed) control.Event {
	f := r.Failure
	if f == nil {
		f = &sa.Failure{Reason: sa.ReasonInternal, Message: "an attempt failed without saying why", Hint: "this is a defect of the program: report it with the log"}
	}
	ev := event(kindFailed, levelWarn, r.Connection, f.Message)
	if r.Remote.IsValid() {
		ev.Fields["remote"] = r.Remote.String()
	}
	ev.Problem = problemOf(f)
	return ev
}

func redirected(r sa.RedirectedTo) control.Event {
	return event(kindRedirected, levelInfo, r.Connection, fmt.Sprintf("the peer sends us to %s", r.To), "remote", r.From.String(), "to", r.To)
}

func endpointChanged(r sa.EndpointChanged) control.Event {
	message := fmt.Sprintf("the peer moved from %v to %v", r.Old, r.New)
	switch {
	case r.Old == r.New && r.NAT != "":
		message = fmt.Sprintf("behind a NAT is now: %s", r.NAT)
	case r.Old == r.New:
		message = fmt.Sprintf("this end is at %v now", r.Local)
	}
	ev := event(kindEndpointChanged, levelInfo, r.Connection, message, "spi_i", spi64(r.SPIi), "spi_r", spi64(r.SPIr), "remote", r.New.String())
	if r.Local.IsValid() {
		ev.Fields["local"] = r.Local.String()
	}
	return ev
}

func trace(r sa.MessageTrace) control.Event {
	arrow, preposition := "<-", "from"
	if r.Sent {
		arrow, preposition = "->", "to"
	}
	kind := "request"
	if r.Response {
		kind = "response"
	}
	content := "{ }"
	if r.Summary != "" {
		content = "{ " + r.Summary + " }"
	}
	message := fmt.Sprintf("%s %s %s %d %s %v %s", arrow, r.Exchange, kind, r.MessageID, preposition, r.Remote, content)
	if r.Fragments > 0 {
		message += fmt.Sprintf(", %d fragments", r.Fragments)
	}
	if r.Retransmit > 0 {
		message += fmt.Sprintf(", retransmission %d", r.Retransmit)
	}
	return event(kindMessage, levelDebug, r.Connection, message,
		"spi_i", spi64(r.SPIi), "spi_r", spi64(r.SPIr), "local", r.Local.String(), "remote", r.Remote.String(),
		"bytes", fmt.Sprint(r.Bytes))
}

// problemOf is a failure in the API's words; nil for none.
func problemOf(f *sa.Failure) *control.Problem {
	if f == nil {
		return nil
	}
	return &control.Problem{
		Reason: string(f.Reason), Message: f.Message,
		Local: strings.TrimRight(f.Local, "\n"), Remote: strings.TrimRight(f.Remote, "\n"), Hint: f.Hint,
	}
}

func role(initiator bool) string {
	if initiator {
		return "initiator"
	}
	return "responder"
}

func spi64(spi uint64) string { return fmt.Sprintf("%016x", spi) }
func spi32(spi uint32) string { return fmt.Sprintf("%08x", spi) }

// behindNAT tells whether this side is: the finding that concerns keepalives.
func behindNAT(nat string) bool { return nat == "local" || nat == "both" }
