/** Made-up people and places for orders that nobody typed. */
export const CUSTOMERS: readonly [string, ...string[]] = [
  "Jamal Braun",
  "Ines Caldeira",
  "Tomasz Wrona",
  "Aiko Hayashi",
  "Priya Raman",
  "Lars Nygaard",
  "Chidi Okafor",
  "Marta Kovacs",
  "Noor Haddad",
  "Eoin Gallagher",
  "Lucia Ferrer",
  "Samuel Boateng",
  "Hanna Virtanen",
  "Diego Paredes",
  "Mei-Ling Chou",
  "Oskar Lindqvist",
];

export const ADDRESSES: readonly [string, ...string[]] = [
  "Schmittfort LA",
  "Port Elowen ME",
  "North Tilda OR",
  "Larkspur Falls VT",
  "East Marrow TX",
  "Quillhaven NC",
  "Old Bramble WI",
  "Cedar Hollow UT",
  "Saint Orrin MN",
  "Westmere KS",
  "Pinto Wells NM",
  "Gull Harbor WA",
];
