//! Pages of HTML: what is in them, and what a browser makes of them.

mod browser;
mod comparisons;
mod pages;
