// Package setup decides which rights and files of the host a configuration needs: exactly those, and
// none that only another configuration would need.
//
// It is pure: [Derive] turns what a policy can ever do, and what a configuration reads, into the
// files, directories, permissions and PostgreSQL roles that must be there ([Wanted]). It reads no
// file, asks nobody and changes nothing; package setup/host compares the result with a host and
// writes the difference. Everything written carries [Mark], and what does not carry it is never
// touched.
//
// Start reading at [Derive], then polkit.go, which is the right to act on other units.
package setup
