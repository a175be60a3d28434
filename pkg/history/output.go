package history

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
)

// OutputData is what a pod read of one output of the application. It does not depend on the order of rows, nor on how they are spread over
// files. Field names are those of the reader (workloads/).
type OutputData struct {
	Name     string         `json:"name"`            // its path or table, as the scenario has it
	Node     string         `json:"node,omitempty"`  // on which the reader ran
	Error    string         `json:"error,omitempty"` // why it could not be read; the rest is empty then
	Rows     int64          `json:"rows"`
	Sum      string         `json:"sum,omitempty"`      // of the hashes of all rows, as a decimal number
	Distinct int64          `json:"distinct"`           // different rows; with keys: different keys
	Columns  []OutputColumn `json:"columns,omitempty"`  // that are compared
	Repeated []OutputRow    `json:"repeated,omitempty"` // examples of rows, or of keys, that stand several times
	// SampleBits is how many bits the hashes of the sample's keys end in that are zero; 0: it has all rows.
	SampleBits int            `json:"sampleBits"`
	Sample     []OutputRow    `json:"sample,omitempty"`
	Buckets    []OutputBucket `json:"buckets,omitempty"` // all rows, by the remainder of their keys' hashes; nil if the sample has all rows
	Files      *OutputFiles   `json:"files,omitempty"`   // nil for tables
}

// OutputColumn is a column of an output that is compared.
type OutputColumn struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Sum  string `json:"sum"` // of the hashes of its values, as a decimal number
	// Total and Magnitude are the sums of the values and of their absolute values, for a column of floating-point numbers, whose last digits
	// are not hashed. Empty for others, and in histories of older releases, which hashed all digits.
	Total     string `json:"total,omitempty"`
	Magnitude string `json:"magnitude,omitempty"`
}

// OutputRow is a row of an output, and how often it stands there.
type OutputRow struct {
	Key   string `json:"key"`   // hash of the columns that name the row, in hexadecimal; that of the row if none do
	Value string `json:"value"` // hash of the row, in hexadecimal
	Count int64  `json:"count"`
	Text  string `json:"text"` // as JSON, cut to a length that fits a report
}

// OutputBucket is a part of the rows of an output.
type OutputBucket struct {
	Rows int64  `json:"rows"`
	Sum  string `json:"sum"` // of the hashes of rows, as a decimal number
}

// OutputFiles are the files of an output.
type OutputFiles struct {
	Count        int64 `json:"count"` // that hold data
	Read         int64 `json:"read"`  // that the rows were read from
	Bytes        int64 `json:"bytes"`
	OldestMillis int64 `json:"oldestMillis,omitempty"` // time of the oldest file, milliseconds since the epoch by the storage's clock
	// Log is the directory in which the table itself lists the files that count, as _spark_metadata.
	Log         string         `json:"log,omitempty"`
	Temporaries int            `json:"temporaries"`         // directories of writes that were not finished
	Temporary   []string       `json:"temporary,omitempty"` // the first of them
	Writes      int            `json:"writes"`              // the most writes that left files in one directory
	SharedCount int            `json:"sharedDirectories"`   // directories with files of several writes
	Shared      []OutputShared `json:"shared,omitempty"`    // the first of them
}

// OutputShared is a directory with files of several writes.
type OutputShared struct {
	Directory string   `json:"directory"` // relative to the output
	Writes    int      `json:"writes"`
	Examples  []string `json:"examples"` // files of two of them
}

// Check returns why an output as its reader told it makes no sense; nil if it does.
func (o OutputData) Check() error {
	var problems []error
	if o.Error != "" {
		return nil
	}
	sums := []string{o.Sum}
	for _, column := range o.Columns {
		sums = append(sums, column.Sum)
	}
	for _, bucket := range o.Buckets {
		sums = append(sums, bucket.Sum)
	}
	for _, sum := range sums {
		if _, ok := new(big.Int).SetString(sum, 10); !ok {
			problems = append(problems, fmt.Errorf("a sum of hashes is %q, want a decimal number", sum))
		}
	}
	for _, column := range o.Columns {
		for _, number := range []string{column.Total, column.Magnitude} {
			if _, err := strconv.ParseFloat(number, 64); number != "" && err != nil && !errors.Is(err, strconv.ErrRange) {
				problems = append(problems, fmt.Errorf("a total of column %s is %q, want a number", column.Name, number))
			}
		}
	}
	for _, row := range append(append([]OutputRow{}, o.Sample...), o.Repeated...) {
		_, keyErr := strconv.ParseUint(row.Key, 16, 64)
		_, valueErr := strconv.ParseUint(row.Value, 16, 64)
		problems = append(problems, keyErr, valueErr)
	}
	if o.Rows < 0 || o.Distinct < 0 || o.Distinct > o.Rows || len(o.Columns) == 0 {
		problems = append(problems, fmt.Errorf("it has %d rows, %d of them different, and %d columns", o.Rows, o.Distinct, len(o.Columns)))
	}
	if whole := o.SampleBits == 0; o.SampleBits < 0 || o.SampleBits > 62 || whole != (len(o.Buckets) == 0) {
		problems = append(problems, fmt.Errorf("its sample is one by %d bits, with %d buckets beside it", o.SampleBits, len(o.Buckets)))
	}
	return errors.Join(problems...)
}
