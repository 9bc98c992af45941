package probe

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestATreeHoldsWhatTheTextSays covers what a reader of tokens gets wrong first.
func TestATreeHoldsWhatTheTextSays(t *testing.T) {
	for name, text := range map[string]string{
		"spaces everywhere":        " \n{ \"a\" : [ 1 , -2.50e+3 , { } , [ ] ] , \"b\" : null }\t",
		"escapes":                  `{"a\nb\u00e9":"\ud83d\ude00 \"x\" \\ \/"}`,
		"half a surrogate pair":    `{"a":"\ud83d"}`,
		"broken UTF-8":             "{\"a\xff\":\"\xc3\"}",
		"an empty key":             `{"":{"":""}}`,
		"a word alone":             `"healthy"`,
		"true, false and null":     `[true,false,null]`,
		"many digits keep theirs":  `{"a":123456789012345678901234567890.10}`,
		"the last of several wins": `{"a":1,"a":2}`,
	} {
		t.Run(name, func(t *testing.T) { sameAsTheStandardLibrary(t, []byte(text)) })
	}
}

// FuzzTree lets the standard library say what is JSON and what it holds.
func FuzzTree(f *testing.F) {
	for _, s := range []string{`{"status":"healthy","n":[1,2.5,"x\u0041",null,true]}`, `{"a":{"a":1,"a":"1"}}`, `[[[[]]]]`, `"\ud83d"`, `{"a"`, ``, `1 2`, "{\"\xff\":0}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(sameAsTheStandardLibrary)
}

func sameAsTheStandardLibrary(t *testing.T, text []byte) {
	n, err := parseStrict(text)
	if !json.Valid(text) {
		require.Error(t, err)
		return
	}
	if err != nil {
		require.ErrorContains(t, err, "nested deeper")
		return
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var want any
	require.NoError(t, dec.Decode(&want))
	requireTree(t, want, n)
}

func requireTree(t *testing.T, want any, got node) {
	t.Helper()
	switch want := want.(type) {
	case nil:
		require.Equal(t, null, got.kind)
	case bool:
		require.Equal(t, truth, got.kind)
		require.Equal(t, want, got.text == "true")
	case json.Number:
		require.Equal(t, number, got.kind)
		require.Equal(t, want.String(), got.text)
	case string:
		require.Equal(t, word, got.kind)
		require.Equal(t, want, got.text)
	case []any:
		require.Equal(t, list, got.kind)
		require.Len(t, got.items, min(len(want), maxItems))
		for i := range got.items {
			requireTree(t, want[i], got.items[i])
		}
	case map[string]any:
		require.Equal(t, object, got.kind)
		require.Len(t, got.fields, len(want))
		for key, v := range want {
			requireTree(t, v, got.fields[key])
		}
	}
}
