import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { OPTION_NAMES } from "../../clients/hub-client/options";

const ROOT = path.join(__dirname, "../..");
const PAGE = readFileSync(path.join(ROOT, "README.md"), "utf8");
const SUITE = readFileSync(path.join(ROOT, "__tests__/integration/learners-questions.test.ts"), "utf8");

const [, questions = ""] = /## Questions people ask\n(.*?)\n## /s.exec(PAGE) ?? [];
const ANSWERS = questions
  .split(/^(?=\*\*[^*]+\?\*\*)/m)
  .slice(1)
  .map((paragraph) => {
    const [, question = "", answer = ""] = /^\*\*([^*]+)\*\*(.*)$/s.exec(paragraph) ?? [];
    return { question: question.replace(/\s+/g, " "), answer };
  });

test("every question has an answer with code, and a test of its name", () => {
  expect(ANSWERS).toHaveLength(13);
  expect(ANSWERS.filter(({ answer }) => !/`[^`]+`/.test(answer))).toEqual([]);
  expect(ANSWERS.filter(({ question }) => !SUITE.includes(`("${question}`))).toEqual([]);
});

test("every file that it links is there", () => {
  const links = [...PAGE.matchAll(/\]\((?!http)([^)#]+)/g)].map(([, link = ""]) => link);
  expect(links.length).toBeGreaterThan(20);
  expect(links.filter((link) => !existsSync(path.join(ROOT, link)))).toEqual([]);
});

test("every option of connect is in its table, and no other", () => {
  const [table = ""] = /\| option .*?\n\n/s.exec(PAGE) ?? [];
  const named = [...table.matchAll(/^\|([^|]+)\|/gm)].flatMap(([, cell = ""]) => cell.match(/\w+(?=`)/g) ?? []);
  expect([...named].sort()).toEqual([...OPTION_NAMES].sort());
});
