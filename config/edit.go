package config

import (
	"bytes"
	"errors"
	"fmt"

	"go.yaml.in/yaml/v4"
)

// SetConnection is the text of a file with the connection name made what keys
// says, a YAML mapping of a connection's keys; a new one comes last. Comments
// and the order of everything else stay. Whether the outcome is valid, Parse
// has to say.
func SetConnection(text []byte, name string, keys []byte) ([]byte, error) {
	var value yaml.Node
	if err := yaml.Unmarshal(keys, &value); err != nil {
		return nil, fmt.Errorf("config: connection %s: %w", clip(name), err)
	}
	if value.Kind != yaml.DocumentNode || len(value.Content) != 1 || value.Content[0].Kind != yaml.MappingNode {
		return nil, fmt.Errorf("config: connection %s: must be a mapping of a connection's keys", clip(name))
	}
	return edit(text, func(connections *yaml.Node) error {
		if i := keyIndex(connections, name); i >= 0 {
			connections.Content[i+1] = value.Content[0]
			return nil
		}
		key := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: name}
		connections.Content = append(connections.Content, key, value.Content[0])
		return nil
	})
}

// RemoveConnection is the text of a file without the connection.
func RemoveConnection(text []byte, name string) ([]byte, error) {
	return edit(text, func(connections *yaml.Node) error {
		i := keyIndex(connections, name)
		if i < 0 {
			return fmt.Errorf("config: no connection is named %s", clip(name))
		}
		connections.Content = append(connections.Content[:i:i], connections.Content[i+2:]...)
		return nil
	})
}

// edit changes the mapping of connections, which is made if it is not there.
func edit(text []byte, change func(connections *yaml.Node) error) ([]byte, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	if document.Kind == 0 { // an empty file
		document = yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{{Kind: yaml.MappingNode, Tag: "!!map"}}}
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, errors.New("config: the file is not a mapping")
	}
	i := keyIndex(root, "connections")
	if i < 0 {
		root.Content = append(root.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: "connections"}, nil)
		i = len(root.Content) - 2
	}
	connections := root.Content[i+1]
	if connections == nil || connections.Kind == yaml.ScalarNode && connections.Tag == "!!null" {
		connections = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		root.Content[i+1] = connections
	}
	if connections.Kind != yaml.MappingNode {
		return nil, errors.New("config: connections is not a mapping")
	}
	if err := change(connections); err != nil {
		return nil, err
	}
	connections.Style = 0 // block style: an empty {} has something in it now
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(&document); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return out.Bytes(), nil
}

// keyIndex is where a mapping has a key, or -1.
func keyIndex(mapping *yaml.Node, key string) int {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return i
		}
	}
	return -1
}
