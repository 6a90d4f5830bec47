package config

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// Checks are the rules that the package is told, because other packages own
// them. Their errors are shown as they are, without the name of a package at
// the beginning: they name the text and what is allowed. A nil function accepts
// everything.
type Checks struct {
	// Proposal says what is wrong with a proposal's text. Protocol is "ike"
	// or "esp", and "ikev1" or "espv1" where the connection speaks IKEv1.
	Proposal func(protocol, text string) error
	// ProposalDoubt says what is doubtful about a proposal that is right, or
	// gives "". The same doubt of several proposals is told once.
	ProposalDoubt func(protocol, text string) string
	// Identity says what is wrong with an identity's text.
	Identity func(text string) error
	// Auth says what is wrong with the certificates, keys and schemes of a
	// connection, whose files are read.
	Auth func(c *Connection) []AuthProblem
}

// AuthProblem is one thing that is wrong with how a connection authenticates.
type AuthProblem struct {
	Key   string // below auth, such as certificate.chain
	What  string
	Doubt bool // it can be used nevertheless
}

// Load reads the file at path. The Config is nil if any problem is an error.
func Load(path string, checks Checks) (*Config, Problems) {
	c, _, problems := LoadText(path, checks)
	return c, problems
}

// LoadText is Load, and gives the text that was read.
func LoadText(path string, checks Checks) (*Config, []byte, Problems) {
	unreadable := func(err error) (*Config, []byte, Problems) {
		return nil, nil, Problems{{File: path, What: "cannot be read: " + reason(err)}}
	}
	f, err := os.Open(path)
	if err != nil {
		return unreadable(err)
	}
	defer func() { _ = f.Close() }() // only read from
	data, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return unreadable(err)
	}
	d := newDecoder(path, checks)
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		d.exposed = readableByAll(info.Mode())
	}
	c, problems := d.load(data)
	return c, data, problems
}

// Parse reads data as the file called path: the name is that of the problems,
// and paths in data are relative to its directory.
func Parse(path string, data []byte, checks Checks) (*Config, Problems) {
	return newDecoder(path, checks).load(data)
}

func (d *decoder) load(data []byte) (*Config, Problems) {
	var doc document
	if root, ok := d.parse(data); ok {
		doc = d.document(root)
		d.validate(&doc)
	}
	problems := d.problems.sorted()
	if problems.Err() != nil {
		return nil, problems
	}
	c := doc.Config // a pointer into doc would keep the nodes of the whole file
	return &c, problems
}

// reason is what the system said, without the path: a problem names its own.
func reason(err error) string {
	var pathError *os.PathError
	if errors.As(err, &pathError) {
		return pathError.Err.Error()
	}
	return err.Error()
}

// resolve makes a path of the file relative to the file's directory.
func (d *decoder) resolve(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(d.file), path)
}

// readableByAll says whether every user of the machine can read the file.
func readableByAll(mode os.FileMode) bool { return mode.Perm()&0o004 != 0 }
