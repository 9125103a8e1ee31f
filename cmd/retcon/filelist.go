package main

import (
	"encoding/csv"
	"fmt"
	"os"
	"strings"
)

// fileList is a flag that takes files, with commas between them or given again.
// A name that has commas itself is taken whole where there is such a file, and
// always where it stands in double quotes.
type fileList struct {
	paths []string
	split bool // at a comma
}

// Type names the values.
func (l *fileList) Type() string { return "FILE,.." }

// String is the list as it is written.
func (l *fileList) String() string { return strings.Join(l.paths, ",") }

// Set adds what a value names.
func (l *fileList) Set(value string) error {
	paths, err := splitFiles(value)
	if err != nil {
		return err
	}
	l.split = l.split || len(paths) > 1
	l.paths = append(l.paths, paths...)
	return nil
}

// splitFiles are the files that a value names.
func splitFiles(value string) ([]string, error) {
	switch {
	case value == "":
		return nil, fmt.Errorf("name a file")
	case strings.Contains(value, `"`) && !there(value):
		paths, err := csv.NewReader(strings.NewReader(value)).Read()
		if err != nil {
			return nil, fmt.Errorf("write files with commas between them, a name that has a comma in double quotes")
		}
		return paths, nil
	}
	var out []string
	for parts := strings.Split(value, ","); len(parts) > 0; {
		n := 1
		for k := len(parts); k > 1; k-- {
			if there(strings.Join(parts[:k], ",")) {
				n = k
				break
			}
		}
		out = append(out, strings.Join(parts[:n], ","))
		parts = parts[n:]
	}
	return out, nil
}

func there(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// commas is what is said of a file of the list that is not there.
func (l *fileList) commas() string {
	if l == nil || !l.split {
		return ""
	}
	return ` (files are told apart by commas; put a name that has one in double quotes, '"a, b.gguf"')`
}
