/**
 * What is documented of `@unisphere/models-sdk-js`, and nothing more (reference 4.2 to 4.4).
 *
 * The page is checked against this declaration, so it cannot come to need anything that only
 * the bundled player has.
 */
declare module "@unisphere/models-sdk-js" {
  export interface RetryConfig {
    maxAttempts: number;
    initialDelayMs: number;
    maxDelayMs: number;
    backoffMultiplier: number;
  }

  export interface AvatarConfig {
    baseUrl: string;
    retryConfig?: RetryConfig;
    logLevel?: "debug" | "info" | "warn" | "error";
  }

  export interface SessionCredentials {
    sessionId: string;
    token: string;
  }

  export interface AvatarEvents {
    stateChange: string;
    connectionChange: string;
    speakingStart: unknown;
    speakingEnd: unknown;
    error: { code?: string; message?: string };
  }

  export class KalturaAvatarSession {
    constructor(apiKey?: string, config?: AvatarConfig);

    createSession(options: {
      avatarId: string;
      voiceId?: string;
      videoContainerId?: string;
    }): Promise<void>;

    initSession(
      credentials: SessionCredentials,
      options?: { videoContainerId?: string },
    ): Promise<void>;

    on<Name extends keyof AvatarEvents>(
      event: Name,
      handler: (payload: AvatarEvents[Name]) => void,
    ): unknown;

    sayText(text: string): Promise<void>;
    sayAudio(file: Blob, turnId: string, duration: number): Promise<void>;
    interrupt(): Promise<void>;
    endSession(): Promise<void>;
    getSessionState(): string;
    getConnectionState(): string;
  }
}
