mod gone;
mod outage;
mod promotion;
mod replaced;
mod running;
mod start;
