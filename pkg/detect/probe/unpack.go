package probe

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"strings"
)

// maxLayers is how often a body may be compressed one upon the other. Two layers come from a proxy
// that compresses again what its server has compressed.
const maxLayers = 3

// unpack undoes the compression of a body, which was not asked for and comes all the same. Each layer
// is bounded, so that a small body costs no more than a large one; more reports that the bound was met.
// A body that is compressed without saying so is unpacked too. The result holds what could be read
// before an error.
func unpack(body []byte, encodings []string, limit int) (out []byte, more bool, err error) {
	var layers []string
	for name := range strings.SplitSeq(strings.Join(encodings, ","), ",") {
		if name = strings.ToLower(strings.TrimSpace(name)); name != "" && name != "identity" {
			layers = append(layers, name)
		}
	}
	for done := 0; ; done++ {
		name := ""
		switch {
		case len(layers) > 0:
			name, layers = layers[len(layers)-1], layers[:len(layers)-1]
		case bytes.HasPrefix(body, []byte{0x1f, 0x8b, 8}): // RFC 1952 section 2.3
			name = "gzip"
		default:
			return body, false, nil
		}
		if done == maxLayers {
			return nil, false, protocolError(fmt.Sprintf("the body is compressed more than %d times", maxLayers))
		}
		r, err := unpacker(name, body)
		if err != nil {
			return nil, false, err
		}
		if body, more, err = readBound(r, nil, limit); more || err != nil {
			return body, more, err
		}
	}
}

func unpacker(name string, body []byte) (io.Reader, error) {
	in := bytes.NewReader(body)
	switch name {
	case "gzip", "x-gzip":
		return gzip.NewReader(in)
	case "deflate":
		// RFC 9110 section 8.4.1.2 means zlib; many send the bare stream.
		if z, err := zlib.NewReader(bytes.NewReader(body)); err == nil {
			return z, nil
		}
		return flate.NewReader(in), nil
	}
	return nil, protocolError(fmt.Sprintf("the body is compressed (%s), though that was not asked for: let the server send it as it is", clean(name, 20)))
}
