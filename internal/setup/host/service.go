package host

import (
	"context"
	"path"
	"slices"
	"strings"

	"github.com/recoveryd/recoveryd/internal/setup"
)

// Service is what the settings of recoveryd.service say, all drop-ins included.
type Service struct {
	Installed   bool
	User, Group string
	DeniesIP    bool     // it has an IPAddressDeny=
	AllowsLocal bool     // settings which setup did not write have an IPAddressAllow=localhost
	Loaded      []string // credentials that are provided by settings which setup did not write
	Settings    []string // every line of [Service], in order: "ProtectSystem=strict"
}

// Service reads the settings of recoveryd.service. Where the unit is not installed, user and group
// are those of the package.
func (h Host) Service(ctx context.Context) Service {
	s := Service{User: "recoveryd", Group: "recoveryd"}
	text, err := h.run(ctx, "", "systemctl", "cat", "--no-pager", setup.Service)
	if err != nil {
		return s
	}
	s.Installed = true
	s.read(text)
	return s
}

// read understands what systemctl cat prints: the files one after another, each after a comment
// with its path.
func (s *Service) read(text string) {
	own := path.Join(setup.UnitDir, setup.Service+".d", setup.OwnDropIn)
	var file, section string
	group := ""
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", " ")) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "# /"):
			file = strings.TrimPrefix(line, "# ")
			continue
		case strings.HasPrefix(line, "["):
			section = line
			continue
		case line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") || section != "[Service]":
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			continue
		}
		s.Settings = append(s.Settings, line)
		switch key {
		case "User":
			s.User = value
		case "Group":
			group = value
		case "IPAddressDeny":
			s.DeniesIP = value != ""
		case "IPAddressAllow":
			s.AllowsLocal = file != own && slices.Contains(strings.Fields(value), "localhost") || file == own && s.AllowsLocal
		case "LoadCredential", "LoadCredentialEncrypted", "SetCredential", "SetCredentialEncrypted":
			name, _, _ := strings.Cut(value, ":")
			if file != own && name != "" && !slices.Contains(s.Loaded, name) {
				s.Loaded = append(s.Loaded, name)
			}
		}
	}
	s.Group = group
	if s.Group == "" {
		s.Group = s.User // as the package makes them
	}
}
