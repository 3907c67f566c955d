mod gone;
mod model;
mod outage;
mod promotion;
mod regressions;
mod replaced;
mod running;
mod start;
