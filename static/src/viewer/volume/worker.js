import { serve } from "./serving.js";

serve(self);
