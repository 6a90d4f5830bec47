package transform

// nearest is the keyword of proto that a mistyped word most likely meant, or "".
func nearest(proto Protocol, word string) string {
	if len(word) > 32 {
		return ""
	}
	best, bestDistance := "", 3 // farther than two edits is no near miss
	for _, k := range table {
		if !k.allowedIn(proto) {
			continue
		}
		for _, name := range append([]string{k.Name}, k.Aliases...) {
			if d := distance(word, name); d < bestDistance && d < len(name)/2 {
				best, bestDistance = k.Name, d
			}
		}
	}
	return best
}

// distance is the Levenshtein distance of two short words.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substitute := diagonal
			if a[i] != b[j] {
				substitute++
			}
			diagonal = row[j+1]
			row[j+1] = min(substitute, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
