import "./htmx.js";
import "./morph.js";
import { watchMenus } from "./menus.js";
import { watchSession } from "./session.js";

watchMenus();
watchSession();
