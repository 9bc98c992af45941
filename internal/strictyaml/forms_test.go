package strictyaml

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNoFormTakesAnything(t *testing.T) {
	for form := range formWants {
		require.False(t, Fits(form, "(\n"), "form %s takes anything", form)
	}
}
