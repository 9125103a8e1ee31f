package table

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"math"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func tableRows() []Row {
	return []Row{
		{{"name", `it's "a", b`}, {"n", 3}, {"x", 0.1}, {"none", nil}, {"bad", math.NaN()}},
		{{"name", "<&>"}, {"n", int64(1) << 40}, {"x", nil}, {"none", nil}, {"bad", 1.5}},
	}
}

func TestWriteJSONL(t *testing.T) {
	var b bytes.Buffer
	if err := WriteJSONL(&b, tableRows()); err != nil {
		t.Fatal(err)
	}
	want := `{"name":"it's \"a\", b","n":3,"x":0.1,"none":null,"bad":null}` + "\n" +
		`{"name":"<&>","n":1099511627776,"x":null,"none":null,"bad":1.5}` + "\n"
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Error(d)
	}
	if _, err := json.Marshal(Row{{"f", func() {}}}); err == nil || !strings.Contains(err.Error(), "f") {
		t.Errorf("a value that JSON has not: %v", err)
	}
}

func TestWriteCSV(t *testing.T) {
	var b bytes.Buffer
	if err := WriteCSV(&b, tableRows()); err != nil {
		t.Fatal(err)
	}
	got, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{{"name", "n", "x", "none", "bad"}, {`it's "a", b`, "3", "0.1", "", ""}, {"<&>", "1099511627776", "", "", "1.5"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestWriteSQL(t *testing.T) {
	var b bytes.Buffer
	if err := WriteSQL(&b, "t", tableRows()); err != nil {
		t.Fatal(err)
	}
	want := `CREATE TABLE IF NOT EXISTS "t" (
  "name" TEXT,
  "n" INTEGER,
  "x" REAL,
  "none" REAL,
  "bad" REAL
);
INSERT INTO "t" ("name", "n", "x", "none", "bad") VALUES ('it''s "a", b', 3, 0.1, NULL, NULL);
INSERT INTO "t" ("name", "n", "x", "none", "bad") VALUES ('<&>', 1099511627776, NULL, NULL, 1.5);
`
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Error(d)
	}
	// Python has SQLite with it
	cmd := exec.Command("python3", "-c", "import sqlite3,sys; c=sqlite3.connect(':memory:'); c.executescript(sys.stdin.read()); print(c.execute('select sum(n), count(x) from t').fetchone())")
	cmd.Stdin = &b
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Skipf("no python3 with sqlite3: %s", out)
	}
	if got := strings.TrimSpace(string(out)); got != "(1099511627779, 1)" {
		t.Errorf("SQLite reads %s", got)
	}
}

func TestWriteMarkdown(t *testing.T) {
	tab := Table{Columns: []string{"model", "S"}}
	tab.Add("a|b", "1.0 ± 0.1")
	tab.Add("longer")
	var b bytes.Buffer
	if err := tab.WriteMarkdown(&b); err != nil {
		t.Fatal(err)
	}
	want := "| model  |         S |\n| ------ | --------: |\n| a\\|b   | 1.0 ± 0.1 |\n| longer |           |\n"
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Error(d)
	}
}
