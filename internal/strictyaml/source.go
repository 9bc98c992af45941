package strictyaml

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// The suffixes of the twins of a secret key: "dsn" may be written as "dsn_file", "dsn_env" or
// "dsn_credential" instead, so that the text itself does not stand in the file.
const (
	FromFile       = "_file"
	FromEnv        = "_env"
	FromCredential = "_credential"
)

// TwinEndings lists the suffixes in the order of the documentation.
var TwinEndings = []string{FromFile, FromEnv, FromCredential}

// SourceWords is how Secret.Source begins for each twin; the place follows.
var SourceWords = map[string]string{
	FromFile: "file ", FromEnv: "environment variable ", FromCredential: "credential ",
}

// MaxSecret bounds a secret file, in bytes; the longest sensible one is a chain of certificates.
const MaxSecret = 64 << 10

// SourceError is why a secret could not be had, and what to do about it.
type SourceError struct{ What, Hint string }

// Cannot is why something could not be read, and what to do about it.
func Cannot(what, hint string) *SourceError { return &SourceError{what, hint} }

// Error implements error.
func (e *SourceError) Error() string { return e.What + "; " + e.Hint }

// secretFrom fetches a secret from the place that a twin names. The warning, when not "", says
// that the place is not well protected. The errors never contain what the place holds.
func secretFrom(suffix, place, key string) (s Secret, warning string, err error) {
	switch suffix {
	case FromFile:
		text, warning, err := secretFile(place)
		return newSecret(text, SourceWords[suffix]+place), warning, err
	case FromEnv:
		text, ok := os.LookupEnv(place)
		if !ok || text == "" {
			return Secret{}, "", &SourceError{
				fmt.Sprintf("environment variable %s is not set", place),
				fmt.Sprintf("set it with Environment= or EnvironmentFile= in recoveryd.service, or use %s%s", key, FromFile),
			}
		}
		return newSecret(text, SourceWords[suffix]+place), "", nil
	case FromCredential:
		dir := os.Getenv("CREDENTIALS_DIRECTORY")
		hint := fmt.Sprintf("add LoadCredential=%s:/path/to/the/file to recoveryd.service", place)
		if dir == "" {
			return Secret{}, "", &SourceError{
				"there are no systemd credentials here ($CREDENTIALS_DIRECTORY is not set)", hint + ", or check the file without secrets",
			}
		}
		text, _, err := secretFile(filepath.Join(dir, place)) // its mode is systemd's business
		if se, ok := errors.AsType[*SourceError](err); ok {
			se.Hint = hint
		}
		return newSecret(text, SourceWords[suffix]+place), "", err
	}
	return Secret{}, "", fmt.Errorf("unknown kind of secret %q", suffix)
}

// secretFile reads a secret from a file and drops the line ends that editors add.
func secretFile(path string) (text, warning string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", "", fileError(path, err)
	}
	if !info.Mode().IsRegular() { // asked before opening: opening a pipe would wait for its writer
		return "", "", &SourceError{fmt.Sprintf("secret file %s is not a regular file", path), "name the file that holds the secret"}
	}
	f, err := os.Open(path)
	if err != nil {
		return "", "", fileError(path, err)
	}
	defer f.Close() // read only: nothing to lose
	data, err := io.ReadAll(io.LimitReader(f, MaxSecret+1))
	if err != nil {
		return "", "", fileError(path, err)
	}
	text = strings.TrimRight(string(data), "\r\n")
	switch {
	case len(data) > MaxSecret:
		return "", "", &SourceError{fmt.Sprintf("secret file %s is larger than %s", path, Size(MaxSecret)), "is this the right file?"}
	case text == "":
		return "", "", &SourceError{fmt.Sprintf("secret file %s is empty", path), "write the secret into it"}
	case strings.ContainsRune(text, 0):
		return "", "", &SourceError{fmt.Sprintf("secret file %s holds binary data", path), "is this the right file?"}
	}
	if info.Mode().Perm()&0o004 != 0 {
		warning = fmt.Sprintf("secret file %s can be read by every user of this host", path)
	}
	return text, warning, nil
}

func fileError(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &SourceError{fmt.Sprintf("secret file %s does not exist", path), "create it with mode 0640, group recoveryd"}
	case errors.Is(err, fs.ErrPermission):
		return &SourceError{
			fmt.Sprintf("secret file %s cannot be read: permission denied", path),
			fmt.Sprintf("let recoveryd read it: chgrp recoveryd %s && chmod 0640 %s", path, path),
		}
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return &SourceError{fmt.Sprintf("secret file %s cannot be read: %v", path, err), "check the path"}
}

// Twin is one of the keys that may stand for a secret key.
type Twin struct {
	Suffix string // "_file": dsn may be written as dsn_file
	Text   string // what the key holds, for the documentation
}

// Twins lists the twins of every secret key.
func Twins() []Twin {
	return []Twin{
		{FromFile, "read from this file (absolute path)"},
		{FromEnv, "read from this environment variable of recoveryd"},
		{FromCredential, "read from this systemd credential (LoadCredential= in recoveryd.service)"},
	}
}
