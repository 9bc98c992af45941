package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/recoveryd/recoveryd/internal/strictyaml"
)

// PlatformNone is the platform that can do nothing. Every other platform is named in [Known].
const PlatformNone = "none"

// Platform is a platform as the configuration knows it: which keys of a target are its own, and what is wrong
// with them. The keys stand beside the others of the target; two platforms have no key in common.
type Platform struct {
	Name string
	// Keys is the struct of its own keys, by value: yaml tags and the others of this package. A key with a value
	// makes it the target's platform where "platform" is left out.
	Keys any
	// Forms are the forms of text that only its keys have.
	Forms map[string]strictyaml.Form
	// Judge says what the platform itself calls a target with these keys (a pointer to the struct), and what is
	// wrong with them. Nil judges nothing, and calls it by its name.
	Judge func(t Target, keys any) (object string, wrong []Wrong)
	// Drills: faults can be brought about on it.
	Drills bool
}

// Wrong is what is wrong, or only risky, with one key of a target.
type Wrong struct {
	Key             string // of the target
	What, Got, Want string // as in [Problem]
	Hint            string
	Risk            bool // it is legal
}

// KeysWith describes the whole configuration file, with the keys that platforms add to a target. They come
// after "platform". It panics when two platforms have a key in common, or one that targets have already.
func KeysWith(platforms []Platform) strictyaml.Shape {
	root := Keys()
	i := slices.IndexFunc(root.Fields, func(f strictyaml.Shape) bool { return f.Key == "targets" })
	target := root.Fields[i].Elem
	at := 1 + slices.IndexFunc(target.Fields, func(f strictyaml.Shape) bool { return f.Key == "platform" })
	for _, p := range platforms {
		if p.Keys == nil {
			continue
		}
		for _, f := range strictyaml.KeysOf(p.Keys).Fields {
			if _, taken := target.Named(f.Key); taken {
				panic(fmt.Sprintf("config: the key %s of platform %s is another's already", f.Key, p.Name))
			}
			f.Belongs(p.Name, p.Forms)
			target.Fields = slices.Insert(target.Fields, at, f)
			at++
		}
	}
	return root
}

// platform is the known platform of that name.
func (k Known) platform(name string) (Platform, bool) {
	i := slices.IndexFunc(k.Platforms, func(p Platform) bool { return p.Name == name })
	if i < 0 {
		return Platform{}, false
	}
	return k.Platforms[i], true
}

// take gives a target the keys of its platform. The error is a mistake in the program: the reader has read the
// values by the shape of the same struct.
func (t *Target) take(known Known) error {
	if t.Platform == "" && t.External {
		t.Platform = PlatformNone
	}
	for _, p := range known.Platforms {
		if t.Platform == "" && len(t.Given[p.Name]) > 0 {
			t.Platform = p.Name
		}
	}
	p, ok := known.platform(t.Platform)
	if !ok {
		return nil
	}
	if p.Keys != nil {
		keys, values := reflect.New(reflect.TypeOf(p.Keys)), map[string]any{}
		for _, f := range strictyaml.KeysOf(p.Keys).Fields {
			if f.Default != "" {
				values[f.Key] = f.DefaultValue()
			}
		}
		maps.Copy(values, t.Given[p.Name])
		if err := strictyaml.Fill(values, keys.Interface()); err != nil {
			return fmt.Errorf("the keys of platform %s: %w", p.Name, err)
		}
		t.Own = keys.Interface()
	}
	t.Object = t.Name
	if p.Judge != nil {
		t.Object, _ = p.Judge(*t, t.Own)
	}
	return nil
}

// platform judges who runs the target, and the keys that belong to one platform only.
func (k *checker) platform(path string, t Target) {
	names := []string{}
	for _, p := range k.known.Platforms {
		names = append(names, p.Name)
	}
	k.among(path+".platform", "platform", t.Platform, append(names, PlatformNone))
	watched := []string{path + ".platform", path + ".external"}
	for _, f := range targetKeys(k.Shape()) {
		if f.Owner != "" {
			watched = append(watched, path+"."+f.Key)
		}
	}
	if !k.Sound(watched...) {
		return
	}
	p, known := k.known.platform(t.Platform)
	switch {
	case t.External && t.Platform != PlatformNone:
		k.fail(strictyaml.Problem{Path: path + ".platform", What: "an external target is never acted on", Got: t.Platform, Want: PlatformNone, Hint: "leave platform out"})
	case t.Platform == "" && len(k.known.Platforms) > 0: // it has none of anybody's keys: say what the first one needs
		p = k.known.Platforms[0]
		_, wrong := p.Judge(t, reflect.New(reflect.TypeOf(p.Keys)).Interface())
		k.wrong(path, wrong[:min(1, len(wrong))], "or write platform: none, if recoveryd shall only watch it")
	case known && p.Judge != nil:
		_, wrong := p.Judge(t, t.Own)
		k.wrong(path, wrong, "")
	}
	for _, f := range targetKeys(k.Shape()) {
		if _, given := t.Given[f.Owner][f.Key]; given && f.Owner != t.Platform && t.Platform != "" && !(t.External && f.Owner == k.known.Platforms[0].Name) {
			k.fail(strictyaml.Problem{Path: path + "." + f.Key, What: "has no effect", Got: "platform " + t.Platform, Want: "platform " + f.Owner, Hint: "leave one of them out"})
		}
	}
}

func (k *checker) wrong(path string, found []Wrong, hint string) {
	for _, w := range found {
		switch {
		case w.Risk:
			k.risk(path+"."+w.Key, w.What, w.Hint)
		default:
			if w.Hint == "" {
				w.Hint = hint
			}
			k.fail(strictyaml.Problem{Path: path + "." + w.Key, What: w.What, Got: w.Got, Want: w.Want, Hint: w.Hint})
		}
	}
}

// targetKeys are the keys of one target.
func targetKeys(s strictyaml.Shape) []strictyaml.Shape {
	f, _ := s.Named("targets")
	return f.Elem.Fields
}
