mod encrypt;
mod independence;
mod model;
mod selection;
