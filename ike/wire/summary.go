package wire

import (
	"strconv"
	"strings"
)

// maxSummary bounds the payloads that Summary names, so that a hostile message cannot fill a log.
const maxSummary = 32

// Summary names the payloads outside encryption on one line, such as "SA KE No N(NAT_DETECTION_SOURCE_IP)". It shows
// no content, hence no secret.
func (m *Message) Summary() string { return Summary(m.Payloads) }

// Summary names payloads on one line, in order.
func Summary(ps []Payload) string {
	var s strings.Builder
	for i, p := range ps {
		if i > 0 {
			s.WriteByte(' ')
		}
		if i == maxSummary {
			s.WriteString("and " + strconv.Itoa(len(ps)-i) + " more")
			break
		}
		s.WriteString(summarise(p))
	}
	return s.String()
}

func summarise(p Payload) string {
	switch p := p.(type) {
	case *Notify:
		return "N(" + p.NotifyType.String() + ")"
	case *Delete:
		return "D(" + p.Protocol.String() + ")"
	case *EAP:
		return "EAP(" + p.Code.String() + ")"
	case *Configuration:
		return "CP(" + p.ConfigType.String() + ")"
	case *EncryptedFragment:
		return "SKF(" + strconv.Itoa(int(p.Number)) + "/" + strconv.Itoa(int(p.Total)) + ")"
	case *Unknown:
		if p.Critical {
			return p.PayloadType.String() + "(critical)"
		}
	}
	return p.Type().String()
}
