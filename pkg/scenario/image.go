package scenario

import (
	"regexp"
	"slices"
	"strings"
)

// supported are the lines of Spark whose versions are run.
func supported() []string { return []string{"3.4", "3.5", "4.0", "4.1", "4.2", "4.3"} }

// BuiltSpark returns which of the images that are built here a workload runs in if it names none of its own.
func (w Workload) BuiltSpark() SparkImage {
	if w.Spark == nil {
		return SparkImage{}
	}
	return *w.Spark
}

// IsImageArchive reports whether an image is the file of an archive rather than a reference.
func IsImageArchive(image string) bool {
	return regexp.MustCompile(`^[^\s:]+\.(tar|tar\.gz|tgz)$`).MatchString(image)
}

// checkImage finds images that exclude each other, and versions of Spark that are not supported.
func checkImage(w Workload, report report) {
	const spark, archive = "spec.workload.spark", "spec.workload.imageArchive"
	if w.Spark != nil && w.Image != "" {
		report(spark, "is a second image of the workload; keep one of image and spark")
	}
	if w.ImageArchive != "" && (w.Spark != nil || w.Image != "") {
		report(archive, "is a second image of the workload; keep one of image, imageArchive and spark")
	}
	if why := outside(w.ImageArchive); w.ImageArchive != "" && why != "" {
		report(archive, "%q %s; files are taken from the scenario's directory and below it alone", w.ImageArchive, why)
	}
	line := regexp.MustCompile(`^[0-9]+\.[0-9]+`).FindString(w.BuiltSpark().Version)
	if line != "" && !slices.Contains(supported(), line) {
		report(spark+".version", "Spark %s is not supported; want one of %s", w.Spark.Version, strings.Join(supported(), ", "))
	}
}
