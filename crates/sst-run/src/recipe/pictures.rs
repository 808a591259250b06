//! Checks of `[data]` for objectives on pictures.

use sst_data::clean::CleanConfig;
use sst_data::pictures::PictureSource;
use sst_data::rows::RowMode;

use super::data::Data;
use super::error::{Problem, require};
use super::image::ImageSection;

impl Data {
    /// The source of pictures that the section describes.
    pub(crate) fn picture_source(&self, image: &ImageSection) -> PictureSource {
        PictureSource {
            paths: self.paths.clone(),
            picture_field: self.image_field.clone(),
            caption_fields: self.caption_fields.clone(),
            label_field: self.label_field.clone(),
            on_error: self.on_error,
            limits: image.limits(),
        }
    }

    /// Refuses keys that are not for pictures. `captions` is whether the objective `name` reads captions.
    pub(super) fn check_pictures(
        &self,
        key: &dyn Fn(&str) -> String,
        name: &str,
        captions: bool,
    ) -> Result<(), Problem> {
        let message = format!("applies only to texts, but `{name}` learns from pictures");
        for (other, is_default) in [
            ("format", self.format.is_none()),
            ("text_field", self.text_field == "text"),
            ("score_field", self.score_field.is_none()),
            ("pair_fields", self.pair_fields.is_empty()),
            ("labels", self.labels.is_empty()),
            ("fields", self.fields.is_empty()),
            ("tag_field", self.tag_field.is_none()),
            ("tag_scheme", self.tag_scheme.is_none()),
            ("rows", self.rows == RowMode::Document),
            ("clean", self.clean == CleanConfig::default()),
            ("max_length", captions || self.max_length == 1),
        ] {
            let hint = match other {
                "text_field" if captions => "; data.caption_fields names the fields of captions",
                _ => "",
            };
            require(is_default, &key(&format!("data.{other}")), format!("{message}{hint}"))?;
        }
        let message = format!("applies only to captions, but `{name}` reads none");
        for (other, is_empty) in [
            ("data.caption_fields", self.caption_fields.is_empty()),
            ("data.caption_transform", self.caption_transform.is_empty()),
        ] {
            require(captions || is_empty, &key(other), message.clone())?;
        }
        let message = "is empty: name the fields that hold the captions";
        require(
            !captions || !self.caption_fields.is_empty(),
            &key("data.caption_fields"),
            message,
        )?;
        let is_normalize = |transform: &serde_json::Map<String, serde_json::Value>| {
            transform.get("name").is_some_and(|name| name == "normalize")
        };
        let message =
            "normalize is always the last step: set its numbers with image.mean and image.std";
        let at = self.transforms().iter().position(is_normalize);
        require(at.is_none(), &key(&format!("data.transform[{}]", at.unwrap_or_default())), message)
    }
}
