package control

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestConfigurationReachesTheBackend(t *testing.T) {
	b := &backend{status: sample()}
	client, _, _ := daemon(t, b)
	plan, err := client.Plan(t.Context(), "/etc/gw.yaml", []byte("a: b"))
	if err != nil || len(plan.Added) != 1 || !plan.Changed[0].Live || plan.IsZero() {
		t.Errorf("%+v, %v", plan, err)
	}
	applied := func(a Applied, err error) {
		t.Helper()
		if err != nil || len(a.Warnings) != 1 || a.Warnings[0] != b.calls[len(b.calls)-1]+" is doubtful" {
			t.Errorf("%+v, %v", a, err)
		}
	}
	applied(client.SetConnection(t.Context(), "new one", []byte("x: y"), false))
	applied(client.SetConnection(t.Context(), "branch", []byte("x: z"), true))
	applied(client.RemoveConnection(t.Context(), "branch", true))
	want := []string{"plan /etc/gw.yaml a: b", "set new one x: y false", "set branch x: z true", "remove branch true"}
	if d := cmp.Diff(want, b.calls); d != "" {
		t.Error(d)
	}
	var p *Problem
	if _, err := client.RemoveConnection(t.Context(), "unknown", false); !errors.As(err, &p) || p.Reason != ReasonRefused {
		t.Errorf("an unknown connection: %v", err)
	}
	if _, err := client.SetConnection(t.Context(), "big", make([]byte, maxText+1), false); !errors.As(err, &p) || p.Reason != ReasonRefused {
		t.Errorf("a body beyond the limit: %v", err)
	}
	b.do = func(context.Context) error { return &Problem{Reason: ReasonBadConfiguration, Message: "line 1"} }
	if _, err := client.Plan(t.Context(), "gw.yaml", nil); !errors.As(err, &p) || p.Reason != ReasonBadConfiguration {
		t.Errorf("a bad configuration: %v", err)
	}
	if resp, err := client.request(t.Context(), http.MethodPatch, "/v1/plan", nil); err == nil {
		resp.Body.Close()
		t.Error("PATCH /v1/plan is answered")
	}
}
