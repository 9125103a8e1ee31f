package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/spf13/pflag"

	"retcon/internal/atomicfile"
	pictures "retcon/report"
)

// pictureFlags say what to draw into files.
type pictureFlags struct {
	svg, html string
	force     bool
}

func (f *pictureFlags) set() *pflag.FlagSet {
	fs := newFlagSet("pictures")
	fs.Var(text{&f.html, "FILE"}, "html", "write one page with all results there, to be opened in a browser")
	fs.Var(text{&f.svg, "FILE"}, "svg", "write the heat maps and severed runs there")
	fs.BoolVar(&f.force, "force", false, "replace files that exist")
	return fs
}

// pictureFiles are the pictures that are being written; nil where one was not
// asked for.
type pictureFiles struct{ svg, html *atomicfile.File }

// create starts the files, so that what stands against them is known before
// anything is computed.
func (f *pictureFlags) create() (*pictureFiles, error) {
	out := &pictureFiles{}
	for _, x := range []struct {
		path string
		into **atomicfile.File
	}{{f.svg, &out.svg}, {f.html, &out.html}} {
		if x.path == "" {
			continue
		}
		var err error
		if *x.into, err = atomicfile.Create(x.path, atomicfile.Options{Force: f.force, Lock: true}); err != nil {
			out.abort()
			if dir := filepath.Dir(x.path); errors.Is(err, fs.ErrNotExist) {
				err = fmt.Errorf("%s: there is no directory %s", x.path, dir)
			}
			return nil, err
		}
	}
	return out, nil
}

// abort drops what was not written.
func (p *pictureFiles) abort() {
	for _, f := range []*atomicfile.File{p.svg, p.html} {
		if f != nil {
			f.Abort()
		}
	}
}

// write draws a page's trace or average as SVG, if it has one, and the page.
func (p *pictureFiles) write(page pictures.Page) error {
	var err error
	switch {
	case p.svg == nil:
	case page.Average != nil:
		err = pictures.WriteAverageSVG(p.svg, *page.Average)
	case page.Trace != nil:
		err = pictures.WriteSVG(p.svg, page.Trace)
	default:
		p.svg.Abort()
		p.svg = nil
	}
	if err != nil {
		return err
	}
	if p.html != nil {
		if err := pictures.WriteHTML(p.html, page); err != nil {
			return err
		}
	}
	var errs []error
	for _, f := range []*atomicfile.File{p.svg, p.html} {
		if f != nil {
			errs = append(errs, f.Commit())
		}
	}
	return errors.Join(errs...)
}

// terminal is how wide and how colourful stdout may be.
func (a *app) terminal() pictures.TerminalOptions {
	o := pictures.Detect(a.stdout.w)
	switch {
	case !a.styled():
		o.Colour = pictures.NoColour
	case o.Colour == pictures.NoColour:
		o.Colour = pictures.Colour256 // asked for, --color on
	}
	return o
}
