import { addCopyButtons } from "../shared/pages/copy-buttons.js";
import "./frame.js";

addCopyButtons();
