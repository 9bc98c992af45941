package probe

// Secret is a credential that a witness presents. It prints as "<secret>" in every format.
type Secret string

const masked = "<secret>"

// String hides the credential.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return masked
}

// GoString hides the credential from %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText hides the credential from JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
