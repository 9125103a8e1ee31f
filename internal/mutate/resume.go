package mutate

import (
	"bytes"
	"fmt"
	"os"
)

// Continued puts a damaged file at path and has resume go on with it, which
// closes it again. A file that is refused has to stay as it is; of one that is
// not, only the end of a line that was cut short may be gone.
func Continued(path string, c Case, resume func() error) error {
	if err := os.WriteFile(path, c.Data, 0o666); err != nil {
		return err
	}
	refused := resume()
	left, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("the file is gone: %w", err)
	}
	whole := c.Data[:bytes.LastIndexByte(c.Data, '\n')+1]
	switch {
	case refused != nil && !bytes.Equal(left, c.Data):
		return fmt.Errorf("it was refused (%v) and changed", refused)
	case refused == nil && len(c.Data) > 0 && !bytes.Equal(left, whole):
		return fmt.Errorf("%d bytes with %d in whole lines became %d", len(c.Data), len(whole), len(left))
	}
	return nil
}
