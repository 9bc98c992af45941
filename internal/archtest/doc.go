// Package archtest holds no code: its tests check the structure of the whole module. They say
// which package may import which, that the pure packages touch nothing, and that every package
// says what it decides.
package archtest
