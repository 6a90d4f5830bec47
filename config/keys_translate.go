package config

import "net/netip"

var translationKeys = section[Translation]{
	value(Key{Name: "inside", Doc: "What the hosts of one side have.", Otherwise: "required", Example: "10.0.0.0/24"},
		network, func(t *Translation) *netip.Prefix { return &t.Inside }),
	value(Key{Name: "outside", Doc: "What the other side knows them by.", Otherwise: "required", Example: "100.64.1.0/24"},
		network, func(t *Translation) *netip.Prefix { return &t.Outside }),
	value(Key{Name: "direction", Doc: "`egress` is about hosts of this side, `ingress` about those of the peer's side.", Otherwise: "required", Example: "egress"},
		enum(Egress, Ingress), func(t *Translation) *TranslationDirection { return &t.Direction }),
}
