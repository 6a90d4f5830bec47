package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"causeway/test/lab/link"
	"causeway/test/lab/place"
	"causeway/test/lab/world"
)

// exitDown is the exit status of `causeway status` when a wanted connection is
// down; its output is as good as with 0.
const exitDown = 3

// Build builds the gateway into a directory and gives the program's path.
func Build(ctx context.Context, directory string) (string, error) {
	path := filepath.Join(directory, "causeway")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, "causeway/cmd/causeway")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("gateway: build: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return path, nil
}

// Gateway is one running instance. Not safe for concurrent use but for Status.
type Gateway struct {
	space   *world.Namespace
	program string
	config  string // file
	socket  string
	name    string
	http    *http.Client
	// Arguments follow `run -c FILE`.
	Arguments []string

	process *world.Process
}

// New prepares a gateway with these connections for the namespace.
func New(program string, space *world.Namespace, directory string, ends ...link.End) (*Gateway, error) {
	g := Prepare(program, space, filepath.Join(directory, space.Role+".yaml"), filepath.Join(directory, space.Role+".sock"))
	return g, g.Configure(ends...)
}

// Space is where the gateway runs.
func (g *Gateway) Space() *world.Namespace { return g.space }

// Prepare is New with a configuration file that is there already.
func Prepare(program string, space *world.Namespace, config, socket string) *Gateway {
	return &Gateway{space: space, program: program, config: config, socket: socket, name: "causeway-" + space.Role, http: atSocket(socket)}
}

// started is what the log says once the routes are there: the socket answers before.
const started = "gateway started"

// Start starts the gateway and waits until it answers, on its socket and to the command,
// and has its routes.
func (g *Gateway) Start(ctx context.Context) error {
	before := g.starts()
	p, err := g.space.Start(g.name, g.program, append([]string{"run", "-c", g.config}, g.Arguments...)...)
	if err != nil {
		return err
	}
	g.process = p
	err = world.Eventually(ctx, "the gateway's socket", func() error {
		if err := p.Running(); err != nil {
			return err
		}
		if g.starts() == before {
			return errors.New("it has not started yet; its log ends\n" + world.Tail(g.Log(), 3))
		}
		_, err := g.Status(ctx)
		return err
	})
	if err == nil {
		err = g.statusCommand(ctx)
	}
	return place.OrEnd(p, err)
}

// starts is how often its log says that it started.
func (g *Gateway) starts() int {
	log, _ := os.ReadFile(g.Log()) // before the first there is none
	return bytes.Count(log, []byte(started))
}

// answerTime is how long the gateway may take for an answer.
const answerTime = 20 * time.Second

// Status is what `causeway status -o json` says, asked at the socket itself: a test looks
// many times a second, and the machine has other things to do.
func (g *Gateway) Status(ctx context.Context) (*Status, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://causeway/v1/status", nil)
	if err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	response, err := g.http.Do(request)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("gateway: status: %w", err), g.Running())
	}
	defer response.Body.Close()
	out, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(response.Status)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("gateway: status: %w: %s", err, out), g.Running())
	}
	return parse(out)
}

// atSocket is a client of the gateway at a socket.
func atSocket(path string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, // the gateway is killed and started
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
	}}
}

// statusCommand wants that the command gives the same form.
func (g *Gateway) statusCommand(ctx context.Context) error {
	out, err := g.Command(ctx, "status", "-o", "json")
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != exitDown) {
		return err
	}
	_, err = parse([]byte(out))
	return err
}

func parse(text []byte) (*Status, error) {
	s := new(Status)
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("gateway: status: %w in:\n%s", err, text)
	}
	return s, nil
}

// Command runs one of the program's other commands against this gateway and
// gives its standard output.
func (g *Gateway) Command(ctx context.Context, arguments ...string) (string, error) {
	cmd := exec.CommandContext(ctx, g.program, append(arguments, "--socket", g.socket)...)
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		err = fmt.Errorf("gateway: %s: %w: %s", strings.Join(arguments, " "), err, strings.TrimSpace(problem.String()))
		return out.String(), errors.Join(err, g.Running())
	}
	return out.String(), nil
}

// PID is its process ID.
func (g *Gateway) PID() int { return g.process.PID() }

// Running is nil while it runs.
func (g *Gateway) Running() error { return g.process.Running() }

// Kill ends it with SIGKILL.
func (g *Gateway) Kill() { g.process.Kill() }

// Stop ends it with SIGTERM and expects exit status 0.
func (g *Gateway) Stop(ctx context.Context) error { return g.process.Terminate(ctx) }

// Rekey replaces all SAs and waits for the result.
func (g *Gateway) Rekey(ctx context.Context, name string) error {
	_, err := g.Command(ctx, "rekey", name)
	return err
}

// RekeyChild replaces the Child SAs and waits for the result.
func (g *Gateway) RekeyChild(ctx context.Context) error {
	_, err := g.Command(ctx, "rekey", link.Name, "--child")
	return err
}

// Config is the configuration file.
func (g *Gateway) Config() string { return g.config }

// Socket is where it is reached.
func (g *Gateway) Socket() string { return g.socket }

// Log is the file that has its output.
func (g *Gateway) Log() string { return g.space.LogFile(g.name) }
