//! What lies in the repository and is made from the program's types is what they say now.
//!
//! Regenerate with `TROUSSEAU_REGENERATE=1 cargo test -p trousseau --features full --test fresh`.

mod chart_values;

use std::path::{Path, PathBuf};
use std::{env, fs};

use chart_values::Values;
use schemars::generate::SchemaSettings;

fn chart(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/helm/trousseau").join(file)
}

#[test]
fn the_schema_of_the_charts_values_is_that_of_the_configuration() {
    let schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<Values>();
    let fresh = format!("{:#}\n", schema.to_value());
    let kept = chart("values.schema.json");
    if env::var_os("TROUSSEAU_REGENERATE").is_some() {
        fs::write(&kept, fresh).unwrap();
    } else if fs::read_to_string(&kept).unwrap_or_default() != fresh {
        panic!(
            "{} is not what the types say; run\n  \
             TROUSSEAU_REGENERATE=1 cargo test -p trousseau --features full --test fresh",
            kept.display()
        );
    }
}

#[test]
fn the_charts_values_have_no_field_that_the_schema_lacks() {
    let mut files: Vec<_> = fs::read_dir(chart("ci")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.push(chart("values.yaml"));
    assert!(files.len() >= 4);
    for file in files {
        let values: Values = serde_saphyr::from_str(&fs::read_to_string(&file).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert!(values.config.is_none_or(|config| !config.keys.is_empty()), "{}", file.display());
    }
}

#[test]
fn the_chart_has_the_version_of_this_checkout() {
    let text = fs::read_to_string(chart("Chart.yaml")).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert!(text.contains(&format!("\nversion: {version}\nappVersion: {version}\n")), "{text}");
}
