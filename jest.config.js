/** Tests run from the TypeScript sources, file by file (`isolatedModules`): types are the job of `npm run typecheck`. */
/** @type {import("jest").Config} */
module.exports = {
  testEnvironment: "node",
  testMatch: ["**/__tests__/**/*.test.ts"],
  testPathIgnorePatterns: ["/node_modules/", "<rootDir>/dist/"],
  modulePathIgnorePatterns: ["<rootDir>/dist/"],
  transform: {
    "^.+\\.ts$": ["ts-jest", { tsconfig: "tsconfig.json" }],
  },
  // Real hubs, sockets and child processes: slower than a unit test, and at their slowest while all cores are busy.
  testTimeout: 20_000,
  maxWorkers: 2,
  collectCoverageFrom: ["src/**/*.ts", "clients/**/*.ts"],
  coverageProvider: "v8",
  coverageReporters: ["text-summary", "lcov", "json-summary"],
};
