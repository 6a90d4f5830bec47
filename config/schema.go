package config

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
)

// Schema returns the JSON Schema of the file, for editors. It accepts what the
// decoder accepts as far as one value tells; ranges of durations, sizes and
// rates, and what depends on other settings, are the decoder's alone.
func Schema() ([]byte, error) {
	connection := connectionKeys.shape()
	root := schemaOf(documentKeys.shape())
	root.Schema = "https://json-schema.org/draft/2020-12/schema"
	root.Title = "Causeway configuration"
	root.Type, root.Types = "object", nil
	root.Defs = map[string]*jsonschema.Schema{"connection": schemaOf(connection)}
	ref := "#/$defs/connection"
	root.Properties["defaults"].Ref = ref
	root.Properties["defaults"].Types = nil
	root.Properties["defaults"].Properties = nil
	root.Properties["defaults"].PropertyOrder = nil
	root.Properties["defaults"].AdditionalProperties = nil
	root.Properties["connections"].AdditionalProperties = &jsonschema.Schema{Ref: ref}
	out, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("config: the schema cannot be written: %w", err)
	}
	return append(out, '\n'), nil
}

func schemaOf(s shape) *jsonschema.Schema {
	out := &jsonschema.Schema{Type: s.Type, Pattern: s.Pattern}
	for _, word := range s.Enum {
		out.Enum = append(out.Enum, word)
	}
	if s.Min != 0 || s.Max != 0 {
		lowest, highest := float64(s.Min), float64(s.Max)
		out.Minimum, out.Maximum = &lowest, &highest
	}
	if s.Step != 0 {
		step := float64(s.Step)
		out.MultipleOf = &step
	}
	if s.Items != nil {
		out.Items = schemaOf(*s.Items)
		out.UniqueItems = true
		one := 1
		out.MinItems = &one
	}
	for _, a := range s.AnyOf {
		out.AnyOf = append(out.AnyOf, schemaOf(a))
	}
	if s.Type == "object" {
		objectSchema(out, s)
	}
	return out
}

// objectSchema allows a mapping without anything in it, which YAML reads as null.
func objectSchema(out *jsonschema.Schema, s shape) {
	out.Type, out.Types = "", []string{"object", "null"}
	if s.Each != nil {
		out.PropertyNames = &jsonschema.Schema{Pattern: connectionNamePattern}
		return
	}
	out.AdditionalProperties = &jsonschema.Schema{Not: &jsonschema.Schema{}}
	out.Properties = make(map[string]*jsonschema.Schema, len(s.Keys))
	for _, k := range s.Keys {
		out.Properties[k.Name] = keySchema(k)
		out.PropertyOrder = append(out.PropertyOrder, k.Name)
	}
}

func keySchema(k entry) *jsonschema.Schema {
	out := schemaOf(k.shape)
	out.Description = strings.ReplaceAll(k.Doc, "`", "")
	if k.shape.Type != "object" {
		out.Description += " Must be " + k.shape.Allowed + "."
	}
	switch {
	case k.Default == "":
	case json.Valid([]byte(k.Default)):
		out.Default = json.RawMessage(k.Default)
	default:
		out.Default, _ = json.Marshal(k.Default) // a string always can be
	}
	return out
}
