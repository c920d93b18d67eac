/** The connection for live changes: says how it is, comes back by itself, notices silence. */
import { backoff } from "./backoff.js";

// The server speaks every 10 s.
const SILENCE = 25_000;
const OFFLINE_AFTER = 5_000;
const BANNER_AFTER = 20_000;

export class LiveSocket {
  /**
   * @param {() => string} path
   * @param {object} handlers
   * @param {(message: object) => void} handlers.onMessage
   * @param {(status: "live" | "reconnecting" | "offline", since: number, long: boolean) => void}
   *   handlers.onStatus
   * @param {(attempt: number) => void} handlers.onFailure
   */
  constructor(path, { onMessage, onStatus, onFailure }) {
    Object.assign(this, { path, onMessage, onStatus, onFailure });
    this.attempt = 0;
    this.lostAt = 0;
    this.closed = false;
    addEventListener("online", () => this.retry());
    document.addEventListener("session-unlocked", () => this.retry());
    addEventListener("offline", () => this.socket?.close());
    addEventListener("pagehide", () => this.stop());
    addEventListener("pageshow", (event) => event.persisted && this.restart());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && this.lostAt) this.retry();
    });
    setInterval(() => this.#status(), 1000);
    this.#connect();
  }

  /** Tries at once instead of waiting out the pause. */
  retry() {
    if (this.closed || this.socket?.readyState === WebSocket.OPEN) return;
    clearTimeout(this.timer);
    this.#connect();
  }

  stop() {
    this.closed = true;
    clearTimeout(this.timer);
    clearTimeout(this.silence);
    this.socket?.close();
  }

  restart() {
    this.closed = false;
    this.lostAt ||= Date.now();
    this.#connect();
  }

  #connect() {
    const previous = this.socket;
    if (previous) {
      previous.onclose = previous.onmessage = previous.onopen = null;
      previous.close();
    }
    const socket = new WebSocket(new URL(this.path(), location.href.replace(/^http/, "ws")));
    this.socket = socket;
    socket.onopen = () => this.#heard();
    socket.onmessage = (event) => {
      this.#heard();
      let message;
      try {
        message = JSON.parse(event.data);
      } catch {
        return;
      }
      this.attempt = 0;
      this.lostAt = 0;
      this.#status();
      this.onMessage(message);
    };
    socket.onclose = () => this.#lost();
  }

  #heard() {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.#lost(), SILENCE);
  }

  #lost() {
    clearTimeout(this.silence);
    clearTimeout(this.timer);
    if (this.closed) return;
    this.lostAt ||= Date.now();
    this.attempt += 1;
    this.onFailure(this.attempt);
    this.#status();
    this.timer = setTimeout(() => this.#connect(), backoff(this.attempt));
  }

  #status() {
    if (this.closed) return;
    const open = this.socket?.readyState === WebSocket.OPEN;
    if (!this.lostAt) return void (open && this.onStatus("live", 0, false));
    const gone = Date.now() - this.lostAt;
    const status = navigator.onLine === false || gone > OFFLINE_AFTER ? "offline" : "reconnecting";
    this.onStatus(status, this.lostAt, gone > BANNER_AFTER);
  }
}
