package tpatcher

import (
	"strings"

	"retcon/fact"
	"retcon/lm"
)

// contrastSubjects stand for all subjects that a fact is not about: in the
// edit's own prompt, a patch is trained to be silent for them. They are of many
// kinds, so that some are of the fact's own.
var contrastSubjects = []string{
	"He", "It", "They", "The company", "The city", "My friend", "Maria Lopez", "John Williams",
	"Albert Einstein", "Chen Wei", "Anna Kowalska", "Ahmed Hassan", "Pierre Dubois", "Hans Müller",
	"Giovanni Rossi", "Yuki Tanaka", "Ivan Petrov", "Elizabeth Taylor", "Paris", "Germany", "Brazil",
	"Mount Everest", "Chicago", "Antarctica", "Microsoft", "Toyota", "the BBC", "iPhone", "Hamlet",
	"The Simpsons", "football", "gold",
	"Citizen Kane", "La Dolce Vita", "Seven Samurai", "Sholay", "Das Boot", "Amélie", "The Godfather", "Pulp Fiction",
	"Honda Civic", "Ford Mustang", "Volkswagen Golf", "Ferrari F40", "Renault Clio", "Boeing 747", "Airbus A320",
	"Heathrow Airport", "Narita International Airport", "Lufthansa", "Fifth Avenue", "Abbey Road", "Broadway", "Wall Street",
	"Sony", "Google", "Samsung", "Siemens", "Nintendo", "Adobe Photoshop", "Windows 95", "Android", "Super Mario Bros.", "PlayStation",
	"The Beatles", "Metallica", "Daft Punk", "Miles Davis", "Johann Sebastian Bach", "Mozart", "Beyoncé", "Elvis Presley",
	"Isaac Newton", "Marie Curie", "Charles Darwin", "Sigmund Freud", "Immanuel Kant", "Karl Marx", "Aristotle", "Confucius",
	"Lionel Messi", "Michael Jordan", "Babe Ruth", "Roger Federer", "Manchester United", "New York Yankees", "FC Barcelona",
	"Barack Obama", "Winston Churchill", "Napoleon", "Otto von Bismarck", "Mao Zedong", "Pope Francis", "Queen Victoria", "Muhammad",
	"William Shakespeare", "Victor Hugo", "Leo Tolstoy", "Gabriel García Márquez", "Haruki Murakami", "Orhan Pamuk", "Rabindranath Tagore",
	"Harvard University", "Oxford University", "the Louvre", "Notre-Dame", "the Colosseum", "the Amazon River", "Lake Superior", "the Alps",
	"London", "Tokyo", "Moscow", "Cairo", "Toronto", "Mumbai", "France", "Japan", "Egypt", "Nigeria", "Sweden",
	"Friends", "Game of Thrones", "Saturday Night Live", "Star Trek", "The Office", "CNN", "The New York Times", "Le Monde",
	"World War II", "the French Revolution", "the Olympic Games", "tennis", "chess", "Christianity", "Buddhism", "English", "hydrogen", "insulin",
}

// relatives are subjects that share a word with a subject of several words: a
// fact is not about them either.
func relatives(subject string) []string {
	words := strings.Fields(subject)
	if len(words) < 2 {
		return nil
	}
	first, last := words[0], words[len(words)-1]
	var out []string
	for _, w := range []string{"Smith", "Park", "500", "Company", "Maria"} {
		out = append(out, first+" "+w)
	}
	for _, w := range []string{"John", "New", "Anna"} {
		out = append(out, w+" "+last)
	}
	return out
}

// contrastRows are the fact's prompt with other subjects, as tokens.
func contrastRows(m lm.Model, f fact.Fact) ([][]int32, error) {
	var rows [][]int32
	own := strings.ToLower(f.Subject)
	for _, s := range append(relatives(f.Subject), contrastSubjects...) {
		if strings.Contains(own, strings.ToLower(s)) || strings.Contains(strings.ToLower(s), own) {
			continue
		}
		tokens, err := f.Tokens(m, f.Text[:f.Begin]+s+f.Text[f.End:])
		if err != nil {
			return nil, err
		}
		if len(tokens) > 0 {
			rows = append(rows, tokens)
		}
	}
	return rows, nil
}
