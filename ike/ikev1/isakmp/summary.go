package isakmp

import "strings"

// maxSummary bounds the payloads that Summary names.
const maxSummary = 32

// Summary names payloads on one line, in order, such as "SA VID VID". It shows
// no content, hence no secret.
func Summary(ps []Payload) string {
	var words []string
	for i, p := range ps {
		if i == maxSummary {
			words = append(words, "...")
			break
		}
		switch p := p.(type) {
		case *Notification:
			words = append(words, "N("+p.NotifyType.String()+")")
		case *Delete:
			words = append(words, "D("+p.Protocol.String()+")")
		case *Configuration:
			words = append(words, "ATTR("+p.ConfigType.String()+")")
		default:
			words = append(words, p.Type().String())
		}
	}
	return strings.Join(words, " ")
}
