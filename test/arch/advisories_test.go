package arch

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// advisories are what other implementations of IPsec were found to be wrong in, of
// strongSwan, libreswan, the protocols and other makers, by their number of CVE.
// Each has a test named after it (TestCVE_2018_5388_...), and so has each issue of
// strongSwan without such a number (TestStrongSwan_2979_...): it shows that the same
// is not wrong here, or that what it was in is not here.
var advisories = []string{
	"2026-35328", "2026-35329", "2026-35330", "2026-35331", "2026-35332", "2026-35333", "2026-35334", "2026-25075",
	"2025-9615", "2025-62291", "2023-41913", "2023-26463", "2022-40617", "2021-45079", "2021-41990", "2021-41991",
	"2018-17540", "2018-16151", "2018-16152", "2018-10811", "2018-5388", "2018-6459", "2017-11185", "2017-9022", "2017-9023",
	"2015-8023", "2015-4171", "2015-3991",

	"2026-14957", "2026-50721", "2026-50722", "2026-12413", "2024-3652", "2024-2357", "2023-38710", "2023-38711", "2023-38712",
	"2023-30570", "2023-23009", "2022-23094", "2020-1763", "2019-12312", "2019-10155", "2016-5391", "2016-5361", "2016-3071",
	"2015-3240", "2015-3204", "2013-6467", "2013-4564",

	"2002-1623", "2018-5389", "2015-7575", "2015-4000", "2016-1287", "2022-34721", "2025-9242", "2020-16088", "2019-14899",
	"2023-36671", "2023-36672", "2023-36673", "2023-35838",
}

var strongSwanIssues = []string{"2979", "3103", "3113", "2778", "84a5208d98"}

var advisoryName = regexp.MustCompile(`^TestCVE_([0-9]{4})_([0-9]+)_[A-Z]|^TestStrongSwan_([0-9a-f]+)_[A-Z]`)

// untested finds the advisories that no test is named after, and tests that are named
// after one which is not listed.
func untested(t *tree, advisories, issues []string) []string {
	var problems []string
	named := map[string]bool{}
	for name := range t.tests() {
		m := advisoryName.FindStringSubmatch(name)
		switch {
		case m == nil && strings.HasPrefix(name, "TestCVE"):
			problems = append(problems, name+" is not named as TestCVE_2018_5388_WhatIsShown is")
		case m == nil:
		case m[3] != "":
			named["strongSwan "+m[3]] = true
		default:
			named["CVE-"+m[1]+"-"+m[2]] = true
		}
	}
	listed := map[string]bool{}
	for _, a := range advisories {
		listed["CVE-"+a] = true
	}
	for _, i := range issues {
		listed["strongSwan "+i] = true
	}
	for a := range listed {
		if !named[a] {
			problems = append(problems, fmt.Sprintf("%s has no test named after it", a))
		}
	}
	for a := range named {
		if !listed[a] {
			problems = append(problems, fmt.Sprintf("%s has a test named after it and is not listed", a))
		}
	}
	return problems
}

func TestAdvisories(t *testing.T) {
	project, err := readTree(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range untested(project, advisories, strongSwanIssues) {
		t.Error(problem)
	}
}

func TestAdvisoriesRule(t *testing.T) {
	tree, err := readTree(fstest.MapFS{"x/x_test.go": {Data: []byte("package x\nfunc TestCVE_2001_0001_Shown() {}\nfunc TestCVE_2001_0003_Unlisted() {}\n" +
		"func TestCVE20010004() {}\nfunc TestStrongSwan_7_Shown() {}\nfunc TestStrongSwanProposals() {}\n")}})
	if err != nil {
		t.Fatal(err)
	}
	got := untested(tree, []string{"2001-0001", "2001-0002"}, []string{"7", "8"})
	slices.Sort(got)
	want := []string{
		"CVE-2001-0002 has no test named after it",
		"CVE-2001-0003 has a test named after it and is not listed",
		"TestCVE20010004 is not named as TestCVE_2018_5388_WhatIsShown is",
		"strongSwan 8 has no test named after it",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("wanted (-) and found (+):\n%s", diff)
	}
}
