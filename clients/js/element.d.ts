export * from "./dist/types/types/kaltura-avatar.js";
export * from "./dist/types/types/kaltura-avatar-frame.js";
export * from "./dist/types/static/client/element.js";
