import { addCopyButtons } from "../shared/copy-buttons.js";
import "./frame.js";

addCopyButtons();
