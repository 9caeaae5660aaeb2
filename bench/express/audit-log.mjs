import { DatabaseSync } from "node:sqlite";

const GATHER_MS = 5;

/** A table of calls in SQLite: many rows a commit, each on disk when its `written` resolves. */
export class AuditLog {
  #changes = [];
  #timer = null;

  constructor(path) {
    this.database = new DatabaseSync(path);
    this.database.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      CREATE TABLE audit (
        id INTEGER PRIMARY KEY, at REAL NOT NULL, event TEXT NOT NULL, request_id TEXT,
        session_id TEXT, visitor TEXT, outcome TEXT NOT NULL, duration_ms REAL, text TEXT,
        detail TEXT NOT NULL
      );
      CREATE INDEX audit_in_time ON audit (at);
      CREATE INDEX audit_of_session ON audit (session_id, id);
      CREATE INDEX audit_of_visitor ON audit (visitor, id);
    `);
    this.insert = this.database.prepare(`
      INSERT INTO audit (at, event, request_id, session_id, visitor, outcome, text, detail)
      VALUES (?, ?, ?, ?, ?, 'pending', ?, ?)
    `);
    this.update = this.database.prepare(
      "UPDATE audit SET outcome = ?, duration_ms = ? WHERE id = ?",
    );
  }

  /** Write a call down; its row's `written` resolves when it is on disk. */
  begin({ operation, requestId, sessionId, visitor, text = null, turnId }) {
    const row = Promise.withResolvers();
    const detail = JSON.stringify({ turnId });
    const values = [Date.now() / 1000, operation, requestId, sessionId, visitor, text, detail];
    this.#add({ row, write: () => (row.id = this.insert.run(...values).lastInsertRowid) });
    return Object.assign(row, { written: row.promise });
  }

  /** Add what became of a call; nobody waits for that. */
  end(row, outcome, durationMs) {
    this.#add({ write: () => this.update.run(outcome, durationMs, row.id) });
  }

  #add(change) {
    this.#changes.push(change);
    this.#timer ??= setTimeout(() => this.#commit(), GATHER_MS);
  }

  #commit() {
    const changes = this.#changes;
    this.#changes = [];
    this.#timer = null;
    this.database.exec("BEGIN IMMEDIATE");
    for (const { write } of changes) write();
    this.database.exec("COMMIT");
    for (const { row } of changes) row?.resolve();
  }
}
