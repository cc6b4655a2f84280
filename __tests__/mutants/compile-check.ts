import path from "node:path";
import ts from "typescript";
import { readWithMistake, type Mutant } from "./mutant";

/** Names that are used no more: what a mistake leaves behind, and no reason why it would not be made. */
const UNUSED = new Set([6133, 6138, 6192, 6196, 6198, 6199]);

/**
 * Looks at mutants as the compiler does: one that it would refuse could never have been made, and a test that fails on
 * it says nothing.
 */
export class CompileCheck {
  private readonly versions = new Map<string, { version: number; text: string | undefined }>();
  private readonly service: ts.LanguageService;

  constructor(private readonly root: string) {
    const { config } = ts.readConfigFile(path.join(root, "tsconfig.json"), (file) => ts.sys.readFile(file)) as {
      config: { compilerOptions: object };
    };
    const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
    this.service = ts.createLanguageService({
      getCompilationSettings: () => options,
      getScriptFileNames: () => [...this.versions.keys()],
      getScriptVersion: (file) => String(this.versions.get(file)?.version ?? 0),
      getScriptSnapshot: (file) => {
        const text = this.versions.get(file)?.text ?? ts.sys.readFile(file);
        return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text);
      },
      getCurrentDirectory: () => root,
      getDefaultLibFileName: (chosen) => ts.getDefaultLibFilePath(chosen),
      fileExists: (file) => ts.sys.fileExists(file),
      readFile: (file) => ts.sys.readFile(file),
      directoryExists: (folder) => ts.sys.directoryExists(folder),
      getDirectories: (folder) => ts.sys.getDirectories(folder),
    });
  }

  /** @returns what the compiler has against each of these mutants that it would not take. */
  problemsOf(mutants: readonly Mutant[]): string[] {
    // One of each file at a time: then the compiler looks at the whole program only as often as a file has mutants.
    const rounds: Mutant[][] = [];
    for (const mutant of mutants) {
      const round = rounds.find((each) => each.every(({ file }) => file !== mutant.file));
      if (round) round.push(mutant);
      else rounds.push([mutant]);
    }
    return rounds.flatMap((round) => this.problemsOfRound(round));
  }

  private problemsOfRound(round: readonly Mutant[]): string[] {
    for (const mutant of round) this.setText(mutant.file, readWithMistake(this.root, mutant));
    const problems = round.flatMap((mutant) => this.problemsIn(mutant));
    for (const { file } of round) this.setText(file, undefined);
    return problems;
  }

  private problemsIn({ name, file }: Mutant): string[] {
    const fileName = path.join(this.root, file);
    const found = [...this.service.getSyntacticDiagnostics(fileName), ...this.service.getSemanticDiagnostics(fileName)];
    return found
      .filter(({ code }) => !UNUSED.has(code))
      .map(({ messageText }) => `${name} does not compile: ${ts.flattenDiagnosticMessageText(messageText, " ")}`);
  }

  private setText(file: string, text: string | undefined): void {
    const fileName = path.join(this.root, file);
    const version = (this.versions.get(fileName)?.version ?? 0) + 1;
    this.versions.set(fileName, { version, text });
  }
}
