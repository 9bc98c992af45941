package config

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"

	"github.com/recoveryd/recoveryd/internal/strictyaml"
)

// codec gives viper our own way to read YAML, so that there is one parser and one opinion of what
// a value is: the parser that knows positions. It is a viper.DecoderRegistry with one format.
type codec struct {
	read func([]byte) (map[string]any, error)
}

var (
	_ viper.DecoderRegistry = codec{}
	_ viper.Decoder         = codec{}
)

// Decoder implements viper.DecoderRegistry.
func (c codec) Decoder(format string) (viper.Decoder, error) {
	if format != "yaml" {
		return nil, fmt.Errorf("no decoder for %q", format)
	}
	return c, nil
}

// Decode implements viper.Decoder.
func (c codec) Decode(data []byte, into map[string]any) error {
	values, err := c.read(data)
	for k, v := range values {
		into[k] = v
	}
	return err
}

// decode lets a fresh viper read the text and fill the struct, once, refusing what the struct
// does not have. The viper is dropped afterwards: it is not safe for concurrent use, and watching
// the file is not wanted.
func decode(data []byte, read func([]byte) (map[string]any, error)) (*Config, error) {
	v := viper.NewWithOptions(viper.WithDecoderRegistry(codec{read}))
	v.SetConfigType("yaml")
	if err := v.ReadConfig(bytes.NewReader(data)); err != nil {
		// viper wraps what the codec says in "While parsing config".
		if pe, ok := errors.AsType[*strictyaml.ProblemsError](err); ok {
			return nil, pe
		}
		return nil, err
	}
	var c Config
	err := v.UnmarshalExact(&c, viper.DecoderConfigOption(func(dc *mapstructure.DecoderConfig) { strictyaml.Strictly(dc) }))
	return &c, err
}
