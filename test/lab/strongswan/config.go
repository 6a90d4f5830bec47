package strongswan

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"text/template"
	"time"

	"causeway/test/lab/link"
)

// plugins are loaded in this order, and then those of a DataPath.
const plugins = `openssl random nonce aes gcm ccm chapoly ctr sha1 sha2 hmac kdf x509 pubkey pem pkcs1 pkcs8
revocation constraints curve25519 des cmac socket-default xauth-generic updown `

// DataPath is what carries a daemon's ESP, as the plugins for it.
type DataPath string

// The data paths. kernel-libipsec has to come before kernel-netlink, which then
// serves routes and addresses only.
const (
	Userspace DataPath = "kernel-libipsec kernel-netlink vici"
	Kernel    DataPath = "kernel-netlink vici"
)

// A connection that starts has no close_action: strongSwan would begin a new
// IKE SA for each duplicate that the peer deletes, and keep both.
var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"join":     strings.Join,
	"children": children,
	"sides":    sides,
	"seconds":  func(d time.Duration) int { return int(d.Seconds()) },
}).Parse(`
{{define "strongswan.conf" -}}
charon {
  load_modular = yes
  i_dont_care_about_security_and_use_aggressive_mode_psk = yes
{{- if .Many}}
  threads = 64
  ikesa_table_size = 1024
  ikesa_table_segments = 16
  dos_protection = no
{{- end}}
{{- with .FragmentSize}}
  fragment_size = {{.}}
{{- end}}
{{- range .Daemon}}
  {{.}}
{{- end}}
  plugins {
{{- range .Plugins}}
    {{.}} {
      load = yes
{{- if eq . "kernel-libipsec"}}
      allow_peer_ts = yes
{{- else if eq . "vici"}}
      socket = unix://{{$.Socket}}
{{- end}}
    }
{{- end}}
  }
  filelog {
    {{.Log}} {
      default = 1
      ike = 2
      time_format = %T
      time_add_ms = yes
      flush_line = yes
    }
  }
}
swanctl {
  load = pem pkcs1 pkcs8 x509 revocation constraints pubkey openssl random nonce
}
{{end}}

{{define "swanctl.conf" -}}
connections {
{{- range .}}
  {{.Connection}} {
    version = {{.IKEVersion}}
    local_addrs = {{.Local}}
    remote_addrs = {{if .Remote.IsValid}}{{.Remote}}{{else}}%any{{end}}
{{- with .IKE}}
    proposals = {{join . ","}}
{{- end}}
    keyingtries = {{if .Start}}0{{else}}1{{end}}
{{- if .DPD}}
    dpd_delay = {{seconds .DPD}}
    dpd_timeout = {{seconds .DPDTimeout}}
{{- end}}
{{- if .IKELifetime}}
    rekey_time = {{seconds .IKELifetime}}
{{- end}}
{{- range .SwanKeys}}
    {{.}}
{{- end}}
    local {
{{- range sides .Proof true}}
      {{.}}
{{- end}}
{{- with .LocalIdentity}}
      id = {{.}}
{{- end}}
    }
    remote {
{{- range sides .Proof false}}
      {{.}}
{{- end}}
{{- with .RemoteIdentity}}
      id = {{.}}
{{- end}}
    }
    children {
{{- $end := .}}
{{- range children .}}
      {{.Name}} {
        local_ts = {{.Local}}
        remote_ts = {{.Remote}}
{{- with $end.Mode}}
        mode = {{.}}
{{- end}}
{{- with $end.ESP}}
        esp_proposals = {{join . ","}}
{{- end}}
{{- if $end.ESPLifetime}}
        rekey_time = {{seconds $end.ESPLifetime}}
{{- end}}
{{- range $end.SwanChildKeys}}
        {{.}}
{{- end}}
{{- if $end.Start}}
        start_action = start
        dpd_action = restart
{{- end}}
      }
{{- end}}
    }
  }
{{- end}}
}
secrets {
{{- range .}}
  ike-{{.Connection}} {
    id-local = {{or .LocalIdentity .Local}}
{{- if or .RemoteIdentity .Remote.IsValid}}
    id-remote = {{or .RemoteIdentity .Remote}}
{{- end}}
    secret = "{{.PSK}}"
  }
{{- end}}
}
{{- range .}}
{{- range .SwanTop}}
{{.}}
{{- end}}
{{- end}}
{{end}}`))

func prefixes(list []netip.Prefix) string {
	var texts []string
	for _, p := range list {
		texts = append(texts, p.String())
	}
	return strings.Join(texts, ",")
}

// sides are the lines of how one side proves itself.
func sides(p *link.Proof, local bool) []string {
	switch {
	case p == nil:
		return []string{"auth = psk"}
	case local:
		return p.Local
	}
	return p.Remote
}

var protocols = map[string]string{"gre": "47", "icmp": "1"}

// hosts are the selectors of one end's own packets.
func hosts(of []string) string {
	if len(of) == 0 {
		return "dynamic"
	}
	var texts []string
	for _, p := range of {
		if number, ok := protocols[p]; ok {
			p = number // not every root has /etc/protocols
		}
		texts = append(texts, "dynamic["+p+"]")
	}
	return strings.Join(texts, ",")
}

// selectors are those of one Child SA.
type selectors struct {
	Name          string
	Local, Remote string
}

func children(end link.End) []selectors {
	if end.Mode != "" {
		return []selectors{{end.Connection(), hosts(end.Protocols), hosts(end.Protocols)}}
	}
	if !end.Split {
		return []selectors{{end.Connection(), prefixes(end.LocalNetworks), prefixes(end.RemoteNetworks)}}
	}
	var list []selectors
	for i := range end.LocalNetworks {
		list = append(list, selectors{fmt.Sprintf("%s-%d", end.Connection(), i), prefixes(end.LocalNetworks[i : i+1]), prefixes(end.RemoteNetworks[i : i+1])})
	}
	return list
}

// many is from how many connections on a daemon is set up as its manual says for
// high load. Its defaults block an address that begins more than five at once.
const many = 100

// write makes the files of one daemon.
func (d *Daemon) write(path DataPath, ends []link.End) error {
	settings := struct {
		Plugins      []string
		Socket, Log  string
		FragmentSize int
		Many         bool
		Daemon       []string
	}{strings.Fields(plugins + string(path)), d.file(socket), "stderr", ends[0].FragmentSize, len(ends) >= many, ends[0].SwanDaemon}
	for name, data := range map[string]any{"strongswan.conf": settings, "swanctl.conf": ends} {
		var b strings.Builder
		if err := templates.ExecuteTemplate(&b, name, data); err != nil {
			return fmt.Errorf("strongswan: %w", err)
		}
		if err := d.place.Write(context.Background(), name, []byte(b.String())); err != nil {
			return fmt.Errorf("strongswan: %w", err)
		}
	}
	for _, end := range ends {
		if end.Proof == nil {
			continue
		}
		for name, data := range end.Proof.Files {
			if err := d.place.Write(context.Background(), name, data); err != nil {
				return fmt.Errorf("strongswan: %w", err)
			}
		}
	}
	return nil
}
