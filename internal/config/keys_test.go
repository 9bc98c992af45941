package config

import (
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/strictyaml"
)

const configs = "../../configs/"

// elsewhere checks an example on a machine that has none of its secrets.
func elsewhere() Known {
	k := known()
	k.WithoutSecrets = true
	return k
}

// paths lists every key of a shape: "targets[].pool.cap".
func paths(s strictyaml.Shape, at string) []string {
	var out []string
	for _, f := range s.Fields {
		here := strings.TrimPrefix(at+"."+f.Key, ".")
		out = append(out, here)
		if f.Kind == strictyaml.KindList {
			out = append(out, paths(*f.Elem, here+"[]")...)
		}
		out = append(out, paths(f, here)...)
	}
	return out
}

func TestMinimalExampleIsEnough(t *testing.T) {
	calm(t)
	data, err := os.ReadFile(configs + "minimal.yaml")
	require.NoError(t, err)
	require.LessOrEqual(t, strings.Count(string(data), "\n"), 15, "a dozen lines or so")
	c, err := Load(configs+"minimal.yaml", known())
	require.NoError(t, err)
	require.Len(t, c.Warnings, 1, "only that nobody is told: %s", lines(c.Warnings))
	require.Equal(t, "notifiers", c.Warnings[0].Path)
	var got []string
	for _, target := range c.Targets {
		got = append(got, target.Name+" "+target.Object)
	}
	require.Equal(t, []string{"codebase-mcp codebase-mcp.service", "workflow-mcp workflow-mcp.service", "postgres postgresql@15-main.service"}, got)

	// The lines about PagerDuty are a comment. They must be right once the marks are removed.
	text := regexp.MustCompile(`(?m)^# (notifiers:|  - )`).ReplaceAllString(string(data), "$1")
	c, err = Parse("minimal.yaml", []byte(text), elsewhere())
	require.NoError(t, err)
	require.Empty(t, lines(c.Warnings))
	require.Equal(t, "pagerduty", c.Notifiers[0].Type)
}

func TestFullExampleShowsEveryKey(t *testing.T) {
	calm(t)
	c, err := Load(configs+"recoveryd.yaml", elsewhere())
	require.NoError(t, err)
	require.Empty(t, lines(c.Warnings), "an example has no risks in it")
	shown := map[string]bool{}
	item := regexp.MustCompile(`\[[^]]*\]`)
	for path := range c.source.At {
		shown[item.ReplaceAllString(path, "[]")] = true
	}
	for _, path := range paths(KeysWith(platforms()), "") {
		require.True(t, shown[path], "configs/recoveryd.yaml does not show %s", path)
	}
}

// TestRedactedIsTheConfigurationAgain proves that what is printed takes effect as what was loaded,
// apart from the notifiers' own keys.
func TestRedactedIsTheConfigurationAgain(t *testing.T) {
	calm(t)
	c, err := Load(configs+"recoveryd.yaml", elsewhere())
	require.NoError(t, err)
	dump := c.Redacted()
	again, err := Parse("dump.yaml", []byte(dump), elsewhere())
	require.NoError(t, err)
	require.Equal(t, dump, again.Redacted())
	for i := range c.Notifiers { // these keep places
		c.Notifiers[i], again.Notifiers[i] = Notifier{}, Notifier{}
	}
	for i := range c.Targets { // what was written, and not what takes effect
		c.Targets[i].Given, again.Targets[i].Given = nil, nil
	}
	c.platforms, again.platforms = nil, nil // functions cannot be compared
	c.source, again.source = strictyaml.Positions{}, strictyaml.Positions{}
	for i, h := range c.Targets[1].Health[0].Headers { // a literal value is not printed
		require.Equal(t, strictyaml.Masked, again.Targets[1].Health[0].Headers[i].Value.Reveal())
		again.Targets[1].Health[0].Headers[i].Value = h.Value
	}
	for i, v := range c.Targets[3].Own.(*programKeys).Env {
		again.Targets[3].Own.(*programKeys).Env[i].Value = v.Value
	}
	for i, b := range c.Playbooks {
		for j, s := range b.Steps {
			for n, v := range s.Env {
				again.Playbooks[i].Steps[j].Env[n].Value = v.Value
			}
		}
	}
	require.Equal(t, c, again)
}

// TestDescriptionsAreSound proves that every tag can be read: defaults satisfy their own bounds,
// forms exist, and no field is of a type that the reader does not know.
func TestDescriptionsAreSound(t *testing.T) {
	var check func(s strictyaml.Shape)
	check = func(s strictyaml.Shape) {
		name := s.Type + "." + s.Field
		require.NoError(t, s.Check(), name)
		if s.Default != "" {
			require.False(t, s.Required, "%s is required and has a default", name)
		}
		for _, f := range s.Fields {
			check(f)
		}
		if s.Elem != nil {
			check(*s.Elem)
		}
	}
	check(KeysWith(platforms()))
}

// TestEveryKeyIsSet proves that the reader fills in every key which is not optional: no default is
// lost between the reader, viper and the struct.
func TestEveryKeyIsSet(t *testing.T) {
	calm(t)
	c, err := Load(configs+"minimal.yaml", known())
	require.NoError(t, err)
	var check func(v reflect.Value, s strictyaml.Shape, path string)
	check = func(v reflect.Value, s strictyaml.Shape, path string) {
		for _, f := range s.Fields {
			if f.Owner != "" {
				continue // of one platform only
			}
			field, here := v.FieldByName(f.Field), path+"."+f.Key
			if f.Default != "" && f.Default != "0" && f.Default != "0s" && f.Default != "false" {
				require.False(t, field.IsZero(), here)
			}
			switch {
			case f.Kind == strictyaml.KindSection && !f.Optional:
				check(field, f, here)
			case f.Kind == strictyaml.KindList && f.Elem.Kind == strictyaml.KindSection:
				for i := range field.Len() {
					check(field.Index(i), *f.Elem, here)
				}
			}
		}
	}
	check(reflect.ValueOf(*c), KeysWith(platforms()), "")
}

// TestEveryKeyRefusesTheWrongType puts a list, or a mapping where a list is right, at every key in
// turn, and expects a complaint with the place of that key.
func TestEveryKeyRefusesTheWrongType(t *testing.T) {
	calm(t)
	for _, f := range KeysWith(platforms()).Fields {
		t.Run(f.Key, func(t *testing.T) {
			wrong := "[1]"
			if f.Kind == strictyaml.KindList {
				wrong = "{a: 1}"
			}
			_, err := Parse("f.yaml", []byte(f.Key+": "+wrong+"\n"), known())
			require.ErrorContains(t, err, "f.yaml:1:"+strconv.Itoa(len(f.Key)+3)+": "+f.Key+": is of the wrong type")
		})
	}
}
