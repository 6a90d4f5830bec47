package gateway

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"causeway/test/lab/link"
)

var configuration = template.Must(template.New("").Funcs(template.FuncMap{"list": list, "start": start, "lines": lines}).Parse(`
gateway:
  name: {{.Name}}
  listen:
    addresses: {{list .Addresses}}
  state_directory: {{.State}}
  interface:
    name: cw0
{{- range lines .First.InterfaceKeys}}
    {{.}}
{{- end}}
{{- with .First.DataPath}}
  data_path: {{.}}
{{- end}}
{{- with .First.DisableOffloads}}
  disable_offloads: {{list .}}
{{- end}}
{{- range lines .First.GatewayKeys}}
  {{.}}
{{- end}}
control:
  socket: {{.Socket}}
log: {level: {{if .First.Quiet}}info{{else}}debug{{end}}, format: json}
connections:
{{- range .Ends}}
  {{.Connection}}:
    local:
{{- with .LocalIdentity}}
      identity: {{.}}
{{- end}}
{{- with .LocalNetworks}}
      networks: {{list .}}
{{- end}}
    remote:
      address: {{if .RemoteName}}{{.RemoteName}}{{else if .Remote.IsValid}}{{.Remote}}{{else}}any{{end}}
{{- with .RemoteIdentity}}
      identity: {{.}}
{{- end}}
{{- with .RemoteNetworks}}
      networks: {{list .}}
{{- end}}
    auth:
{{- if .Proof}}
      {{.Proof.Auth}}
{{- else}}
      psk_file: {{$.Name}}-{{.Connection}}.psk
{{- end}}
    type: {{if .PolicyBased}}policy-based{{else}}route-based{{end}}
    start: {{start .}}
    ike:
      version: {{.IKEVersion}}
{{- if .IKE}}
      proposals: {{list .IKE}}
{{- end}}
{{- if .IKELifetime}}
      lifetime: {{.IKELifetime}}
{{- end}}
{{- if .FragmentSize}}
      fragment_size: {{.FragmentSize}}
{{- end}}
{{- range .IKEKeys}}
      {{.}}
{{- end}}
      dpd: {{if .DPD}}{{.DPD}}{{else}}30s{{end}}
    esp:
{{- if .ESP}}
      proposals: {{list .ESP}}
{{- end}}
      lifetime: {{if .ESPLifetime}}{{.ESPLifetime}}{{else}}1h{{end}}
{{- with .Mode}}
      mode: {{.}}
{{- end}}
{{- with .Protocols}}
      protocols: {{list .}}
{{- end}}
{{- if .Bare}}
      encapsulation: never
{{- end}}
{{- range .ESPKeys}}
      {{.}}
{{- end}}
{{- range lines .Keys}}
    {{.}}
{{- end}}
{{- end}}
`))

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSpace(text), "\n")
}

func start(end link.End) string {
	switch {
	case end.Start:
		return "always"
	case end.OnTraffic:
		return "on-traffic"
	}
	return "on-demand"
}

// list writes a YAML list; addresses of IPv6 need the quotes.
func list(items any) (string, error) {
	var texts []string
	switch v := items.(type) {
	case []netip.Prefix:
		for _, p := range v {
			texts = append(texts, fmt.Sprintf("%q", p))
		}
	case []netip.Addr:
		for _, a := range v {
			texts = append(texts, fmt.Sprintf("%q", a))
		}
	case []string:
		for _, s := range v {
			texts = append(texts, fmt.Sprintf("%q", s))
		}
	default:
		return "", fmt.Errorf("gateway: no list of %T", items)
	}
	return "[" + strings.Join(texts, ", ") + "]", nil
}

// Configure writes the configuration anew, with a file for each key. A running
// gateway reads it at the next Reload.
func (g *Gateway) Configure(ends ...link.End) error {
	directory := filepath.Dir(g.config)
	var addresses []netip.Addr
	var first link.End
	if len(ends) > 0 {
		first = ends[0]
	}
	for _, end := range ends {
		for _, a := range append([]netip.Addr{end.Local}, end.Also...) {
			if !slices.Contains(addresses, a) {
				addresses = append(addresses, a)
			}
		}
		path := filepath.Join(directory, g.space.Role+"-"+end.Connection()+".psk")
		if err := os.WriteFile(path, []byte(end.PSK+"\n"), 0o600); err != nil {
			return fmt.Errorf("gateway: %w", err)
		}
		if end.Proof == nil {
			continue
		}
		for name, data := range end.Proof.Files {
			if err := os.WriteFile(filepath.Join(directory, name), data, 0o600); err != nil {
				return fmt.Errorf("gateway: %w", err)
			}
		}
	}
	var b strings.Builder
	err := configuration.Execute(&b, struct {
		Name, Socket string
		State        string
		Addresses    []netip.Addr
		First        link.End
		Ends         []link.End
	}{g.space.Role, g.socket, filepath.Join(directory, g.space.Role+"-state"), addresses, first, ends})
	if err == nil {
		err = os.WriteFile(g.config, []byte(strings.TrimPrefix(b.String(), "\n")), 0o600)
	}
	if err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	return nil
}

// Reload makes the running gateway read its configuration again.
func (g *Gateway) Reload() error {
	if g.process == nil {
		return errors.New("gateway: reload: it does not run")
	}
	return g.process.Hangup()
}
