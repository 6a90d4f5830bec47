package config

import (
	"slices"

	"go.yaml.in/yaml/v4"
)

// Key describes one key of the file to its reader.
type Key struct {
	Name string
	Doc  string
	// Default is the default as one would write it; Otherwise says in words
	// what holds if the key is left out and there is no such value.
	Default, Otherwise string
	Example            string
}

// shape is what may stand behind a key, as the schema and the reference need it.
type shape struct {
	Type     string // JSON's: string, integer, boolean, array, object
	Allowed  string // in words, after "must be"
	Pattern  string
	Enum     []string
	Min, Max int // of an integer; both 0: unbounded
	Step     int // an integer is a multiple of it; 0: any
	Items    *shape
	AnyOf    []shape
	Keys     []entry // of an object
	Each     *shape  // of an object whose keys are names: what stands behind each
	Closed   bool    // an array must have an element
}

// entry is a key with its shape.
type entry struct {
	Key
	shape shape
}

// kind is a type of value: what it looks like and how its text is read.
type kind[V any] struct {
	shape
	text     bool     // YAML must read it as text
	unquoted bool     // a number or a truth value, which quotes would make text
	words    []string // what may be quoted nevertheless
	secret   bool     // never repeated in a message
	parse    func(text string) (V, error)
}

// field is a key of the section that fills a T.
type field[T any] struct {
	entry
	decode  func(d *decoder, n *yaml.Node, path string, into *T)
	changes func(path string, a, b *T) []string
}

// section is the keys of a mapping that fills a T, in the order in which they
// are documented.
type section[T any] []field[T]

func (s section[T]) keys() []entry {
	out := make([]entry, len(s))
	for i, f := range s {
		out[i] = f.entry
	}
	return out
}

func (s section[T]) shape() shape {
	return shape{Type: "object", Allowed: "a mapping", Keys: s.keys()}
}

func (s section[T]) decode(d *decoder, n *yaml.Node, path string, into *T) {
	for _, p := range d.pairs(n, path) {
		i := slices.IndexFunc(s, func(f field[T]) bool { return f.Name == p.name })
		if i < 0 {
			d.unknown(p, path, s.keys())
			continue
		}
		at := join(path, p.name)
		d.mark(at, p.value)
		if s[i].shape.Type == "object" {
			d.mark(at, p.key) // where what is missing inside is reported
		}
		s[i].decode(d, p.value, at, into)
	}
}

// changes gives the paths of the keys whose values differ.
func (s section[T]) changes(path string, a, b *T) []string {
	var out []string
	for _, f := range s {
		if f.changes != nil {
			out = append(out, f.changes(join(path, f.Name), a, b)...)
		}
	}
	return out
}

// value is a key with one value.
func value[T any, V comparable](key Key, k kind[V], of func(*T) *V) field[T] {
	return field[T]{
		entry: entry{key, k.shape},
		decode: func(d *decoder, n *yaml.Node, path string, into *T) {
			if v, ok := scalar(d, n, path, k); ok {
				*of(into) = v
			}
		},
		changes: func(path string, a, b *T) []string {
			if *of(a) == *of(b) {
				return nil
			}
			return []string{path}
		},
	}
}

// list is a key with a list of values.
func list[T any, V comparable](key Key, k kind[V], allowed string, of func(*T) *[]V) field[T] {
	s := shape{Type: "array", Allowed: allowed, Items: &k.shape, Closed: true}
	return field[T]{
		entry: entry{key, s},
		decode: func(d *decoder, n *yaml.Node, path string, into *T) {
			*of(into) = values(d, d.items(n, path, s), path, k)
		},
		changes: func(path string, a, b *T) []string {
			if slices.Equal(*of(a), *of(b)) {
				return nil
			}
			return []string{path}
		},
	}
}

// values reads the elements of a list. One that cannot be read is left zero,
// so that each keeps its index.
func values[V comparable](d *decoder, nodes []*yaml.Node, path string, k kind[V]) []V {
	out := make([]V, len(nodes))
	for i, n := range nodes {
		d.mark(index(path, i), follow(n))
		out[i], _ = scalar(d, n, index(path, i), k)
	}
	repeated(d, nodes, path, out)
	return out
}

// records is a key with a list of mappings.
func records[T, S any](key Key, s section[S], allowed string, of func(*T) *[]S) field[T] {
	each := s.shape()
	list := shape{Type: "array", Allowed: allowed, Items: &each, Closed: true}
	return field[T]{
		entry: entry{key, list},
		decode: func(d *decoder, n *yaml.Node, path string, into *T) {
			nodes := d.items(n, path, list)
			out := make([]S, len(nodes))
			for i, n := range nodes {
				d.mark(index(path, i), follow(n))
				s.decode(d, follow(n), index(path, i), &out[i])
			}
			*of(into) = out
		},
		changes: func(path string, a, b *T) []string {
			same := func(x, y S) bool { return len(s.changes("", &x, &y)) == 0 }
			if slices.EqualFunc(*of(a), *of(b), same) {
				return nil
			}
			return []string{path}
		},
	}
}

// nested is a key with a section behind it.
func nested[T, S any](key Key, s section[S], of func(*T) *S) field[T] {
	return field[T]{
		entry: entry{key, s.shape()},
		decode: func(d *decoder, n *yaml.Node, path string, into *T) {
			s.decode(d, n, path, of(into))
		},
		changes: func(path string, a, b *T) []string {
			return s.changes(path, of(a), of(b))
		},
	}
}
