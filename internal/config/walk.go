package config

import "reflect"

// walk shows every value of the configuration to visit, from the outside in. What is inside of a
// value is visited only when visit says so.
func (c *Config) walk(visit func(v any) bool) {
	var into func(v reflect.Value)
	into = func(v reflect.Value) {
		if !visit(v.Interface()) {
			return
		}
		switch v.Kind() {
		case reflect.Pointer, reflect.Interface:
			if !v.IsNil() {
				into(v.Elem())
			}
		case reflect.Slice:
			for i := range v.Len() {
				into(v.Index(i))
			}
		case reflect.Struct:
			for i := range v.NumField() {
				if v.Type().Field(i).IsExported() {
					into(v.Field(i))
				}
			}
		}
	}
	into(reflect.ValueOf(*c))
}
