mod gone;
mod outage;
mod promotion;
mod regressions;
mod replaced;
mod running;
mod start;
