package config

import (
	"fmt"
	"io"
	"os"
)

// File is a file that the configuration names, with what it held when it was
// read: a reload finds a renewed certificate by that. It is comparable.
type File struct {
	Path string // absolute, or relative to the working directory
	Data Secret // some hold keys
}

// IsZero says whether no file is named.
func (f File) IsZero() bool { return f.Path == "" }

// String is the path.
func (f File) String() string { return f.Path }

// fileName is a file whose content is read later.
var fileName = func() kind[File] {
	k := kind[File]{shape: filePath.shape, text: filePath.text}
	k.parse = func(text string) (File, error) {
		path, err := filePath.parse(text)
		return File{Path: path}, err
	}
	return k
}()

// maxFile bounds a file of certificates or keys.
const maxFile = 1 << 20

// readRegular reads a regular file only: another kind could block for ever.
// failure says why it could not be read.
func readRegular(path string, limit int) (data []byte, mode os.FileMode, failure string) {
	failed := func(format string, args ...any) ([]byte, os.FileMode, string) {
		return nil, 0, quote(path) + " " + fmt.Sprintf(format, args...)
	}
	info, err := os.Stat(path)
	if err != nil {
		return failed("cannot be read: %s", reason(err))
	}
	if !info.Mode().IsRegular() {
		return failed("is not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return failed("cannot be read: %s", reason(err))
	}
	defer func() { _ = f.Close() }() // only read from
	data, err = io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err != nil {
		return failed("cannot be read: %s", reason(err))
	}
	return data, info.Mode(), ""
}

// read fills in what the file at path holds, relative to this file. holds says
// what it is for; a secret that every user can read is a warning.
func (d *decoder) read(f *File, path, holds string, secret bool) {
	if f.IsZero() {
		return
	}
	f.Path = d.resolve(f.Path)
	f.Data = d.cached(path, holds+" "+f.Path, func() secretResult {
		data, mode, failure := readRegular(f.Path, maxFile)
		switch {
		case failure != "":
			return secretResult{failure: failure}
		case len(data) == 0:
			return secretResult{failure: fmt.Sprintf("%s is empty: it must hold %s", quote(f.Path), holds)}
		case len(data) > maxFile:
			return secretResult{failure: fmt.Sprintf("%s is larger than %d MiB, which %s does not need", quote(f.Path), maxFile>>20, holds)}
		}
		r := secretResult{secret: NewSecret(string(data))}
		if secret && readableByAll(mode) {
			r.warning = exposedFile(f.Path)
		}
		return r
	})
}
